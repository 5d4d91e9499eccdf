"""Debian's Chromium without a window, driven by real clicks and keys over its DevTools protocol, on two pipes.

https://chromedevtools.github.io/devtools-protocol/ : a message is JSON that ends in a zero byte. Nothing is fetched.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = "this test opens a page in Chromium, which is not here: apt-get install chromium"
SECONDS = 60  # for any one answer, on a busy machine
KEYS = {"Enter": ("Enter", 13, "\r"), " ": ("Space", 32, " "), "Tab": ("Tab", 9, "")}


def why_no_browser() -> str:
    """Why tests that open pages are left out here; "" where there is a browser, and in CI, which needs one."""
    required = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return "" if required or _command() else f"{MISSING}; CI=true makes this an error"


def _command() -> str | None:
    return next(filter(None, map(shutil.which, COMMANDS)), None)


class Browser:
    """A browser with one page, within a `with` block. requests, errors: what the page asked for, and complained of."""

    def __init__(self):
        command = _command()
        if command is None:
            raise RuntimeError(MISSING)
        self.folder = tempfile.mkdtemp(prefix="zoo-chromium-")
        ours_in, theirs_out = _pipe()
        theirs_in, ours_out = _pipe()
        self.reads, self.writes, self.rest, self.count = ours_in, ours_out, b"", 0
        self.requests, self.errors, self.loads, self.opened = [], [], 0, 0

        def connect() -> None:  # the browser reads from descriptor 3 and writes to 4
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
        options += ["--no-first-run", "--disable-background-networking", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(  # noqa: S603
            [command, *options, f"--user-data-dir={self.folder}", "about:blank"],
            preexec_fn=connect, close_fds=False, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.session = None

    def __enter__(self) -> "Browser":
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *error: object) -> None:
        self.session = None
        with contextlib.suppress(OSError, RuntimeError):
            self.send("Browser.close")
        os.close(self.writes)
        os.close(self.reads)
        try:
            self.process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, method: str, **params: object) -> dict:
        """Give a command and return its result. Raises RuntimeError for one that the browser refuses."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(time.monotonic() + SECONDS)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(
        self,
        page: Path,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
        media: str = "",
    ) -> None:
        """Load a file and wait until it is there; below 500 pixels as a phone does. media: `print`, or the screen."""
        phone = {"deviceScaleFactor": 1, "mobile": width < 500}
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, **phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        before, self.opened = self.loads, self.opened + 1
        self.send("Page.navigate", url=page.absolute().as_uri())
        until = time.monotonic() + SECONDS
        while self.loads == before:
            self._next(until)

    def run(self, script: str) -> object:
        """The value of a JavaScript expression on the page."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def click(self, selector: str) -> None:
        """Scroll an element into view and click the mouse in its middle."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', inline: 'center'});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a key."""
        code, number, text = KEYS[key]
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Write into whatever has the focus."""
        self.send("Input.insertText", text=text)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A screenshot of the window, or of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        path.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict:
        if not whole:
            return {}
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _next(self, until: float) -> dict:
        """The next message; events are kept."""
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.reads], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise RuntimeError(f"the browser gave no answer within {SECONDS} s")
            data = os.read(self.reads, 1 << 20)
            if not data:
                raise RuntimeError(f"the browser ended with status {self.process.poll()}")
            self.rest += data
        line, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(line)
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Page.loadEventFired":
            self.loads += 1
        return message


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are not among the descriptors that the browser uses."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends[0], ends[1]
