"""Connecting to Ray: with a token always, without its dashboard and usage statistics, and with sentences that teach.

A wrong token, an address where nobody answers and another version are told within PATIENCE seconds: another process
tries first, since Ray itself goes on trying for longer, and some of its failures end the process.
"""

import importlib.util
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.base.threads import cores

PATIENCE = 12.0  # seconds for another process to connect
IMPORT_SECONDS = 60.0  # for it to import ray before, which takes a second unless the machine is overloaded
REACH_SECONDS = 5.0
STORE_BYTES = 1 << 29  # of a cluster of our own, for what travels
LOOPBACK = "127.0.0.2"  # 127.0.0.1 would be replaced by this machine's outward address
TOKEN = Path(".ray") / "auth_token"  # in the home folder, where Ray looks
SAFE = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
EQUAL = {"RAY_worker_niceness": "0"}  # a cell is as urgent as one that the driver starts itself
QUIET: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": False}
CHANGED = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "PYTHONPATH")  # by a cluster of our own
TRY = """
import sys, ray
print("trying", file=sys.stderr, flush=True)
ray.init(address=sys.argv[1], logging_level="ERROR", log_to_driver=False)
"""


@contextmanager
def connected(address: str | None, gpus: int | None, code: Path) -> Iterator[Any]:
    """The module `ray`, connected to the cluster at HOST:PORT, or to one of this machine alone that ends with us.

    gpus: how many of this machine's a cluster of our own has (None: all). code: the folder that this project's packages
    are imported from; another cluster gets a copy of it. Raises ZooError for whatever stands in the way.
    """
    if importlib.util.find_spec("ray") is None:
        raise ZooError("--executor ray needs the package ray, which is not installed: pip install 'objective-zoo[ray]'")
    for name, value in (SAFE | EQUAL).items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryDirectory(prefix="zoo-ray-", ignore_cleanup_errors=True) as folder, _kept():
        how: dict[str, Any] = dict(QUIET)
        if address is None:
            _fresh_token(Path(folder) / "token")
            loopback = {"_node_ip_address": LOOPBACK} if sys.platform.startswith("linux") else {}
            how |= {"address": "local", "num_cpus": cores(), "num_gpus": gpus, "include_dashboard": False}
            how |= {"object_store_memory": STORE_BYTES, "_temp_dir": folder, **loopback}
            os.environ["PYTHONPATH"] = os.pathsep.join([str(code), *filter(None, [os.environ.get("PYTHONPATH")])])
        else:
            _check_token()
            _reach(address)
            _try(address)
            how |= {"address": address, "runtime_env": {"working_dir": str(code)}}
        import ray

        with suppress(ImportError, AttributeError):  # of a cluster before in this process, a token is remembered
            import_module("ray._raylet").AuthenticationTokenLoader.instance().reset_cache()
        try:
            ray.init(**how)
        except (RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
            raise ZooError(f"Ray could not be started: {_first_line(error)}") from None
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _kept() -> Iterator[None]:
    """What one cluster needs is gone after it: its token and where its workers find this project."""
    before = {name: os.environ.get(name) for name in CHANGED}
    try:
        with _own_signals():
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray replaces the handler of SIGTERM; ours comes back at once, by which running cells save first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fresh_token(file: Path) -> None:
    """A token for a cluster of our own, which no other user can read, and which ends with it."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_hex(32))
    os.environ.pop("RAY_AUTH_TOKEN", None)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(file)


def _check_token() -> None:
    """Raise ZooError unless there is a token for a cluster; its file is made readable to its owner alone."""
    if os.environ["RAY_AUTH_MODE"] != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / TOKEN)
    try:
        found = file.stat()
    except OSError:
        raise ZooError(
            f"there is no token at {file}: copy the one that the cluster was started with there (mode 0600), or name "
            "its file in RAY_AUTH_TOKEN_PATH"
        ) from None
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        raise ZooError(f"{file} holds no token: it is to be a file with the one that the cluster was started with")
    mode = found.st_mode
    if mode & 0o077:
        try:
            file.chmod(0o600)
        except OSError:
            raise ZooError(
                f"the token {file} can be read by others, who could run anything: chmod 600 {file}"
            ) from None
        say(f"the token {file} could be read by others; its mode is 0600 now")


def answers(address: str) -> bool:
    """Whether somebody takes connections at HOST:PORT."""
    try:
        _connect(address)
    except OSError:
        return False
    return True


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()


def _reach(address: str) -> None:
    """Raise ZooError unless something listens at HOST:PORT."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ZooError(f"--ray-address {address!r} is no HOST:PORT, as in 10.0.0.1:6379")
    try:
        _connect(address)
    except (OSError, OverflowError) as error:
        raise ZooError(
            f"--ray-address {address}: nobody answers there ({error}). Start the head with: ray start --head "
            f"--port {port} --include-dashboard false --disable-usage-stats"
        ) from None


def _try(address: str) -> None:
    """Connect in another process, and raise ZooError for what goes wrong there, or takes too long."""
    with tempfile.TemporaryFile() as said:
        tried = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, "-P", "-c", TRY, address], stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        try:
            until, trying = time.monotonic() + IMPORT_SECONDS, False
            while (status := tried.poll()) is None and time.monotonic() < until and not _refused(text := _text(said)):
                if not trying and "trying" in text:
                    trying, until = True, time.monotonic() + PATIENCE
                time.sleep(0.05)
        finally:
            if tried.poll() is None:
                tried.kill()
                tried.wait()
        if status != 0:
            raise ZooError(f"--ray-address {address}: {_reason(_text(said), status)}")


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


def _refused(text: str) -> bool:
    return "InvalidAuthToken" in text or "Unauthenticated" in text


def _reason(text: str, status: int | None) -> str:
    """Why a process could not connect, from what it said."""
    if _refused(text):
        if os.environ["RAY_AUTH_MODE"] != "token":
            return "the cluster asks for a token, and RAY_AUTH_MODE forbids to send one: unset it"
        return (
            "the cluster was started with another token than the one here. Copy its token file (~/.ray/auth_token, or "
            "what RAY_AUTH_TOKEN_PATH names there) to this machine, with mode 0600"
        )
    if "Version mismatch" in text:
        theirs, ours = (re.findall(rf"{name}: (\S+)", text)[:2] for name in ("Ray", "Python"))
        pairs = [
            f"{name} {two[0]} there and {two[1]} here"
            for name, two in (("Ray", theirs), ("Python", ours))
            if len(set(two)) > 1
        ]
        return f"other versions ({', '.join(pairs)}): install the same on every node"
    if "node_ip_address" in text or "expects this IP address" in text or "no raylet" in text.lower():
        return (
            "this machine is no node of that cluster: start the driver on one of its nodes, or ray start --address here"
        )
    if status is None:
        return f"no answer within {PATIENCE:.0f} s: is it the port of a Ray head (6379 by default)?"
    lines = [line for line in text.splitlines() if line.strip()]
    return f"the connection failed: {lines[-1] if lines else f'exit status {status}'}"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
