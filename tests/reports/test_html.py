"""report.html in a real browser: sorted, filtered and made dark by clicks and keys, asking for nothing from outside."""

import base64
import gzip
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from reports.page import build
from reports.render import html, markdown
from reports.words.document import Bold, Bullets, Code, Heading, Link, Listing, Paragraph, Picture, table
from tests.browser import Browser, why_no_browser
from tests.reports.test_reports import BACKBONES, fail, write_run
from zoo.objectives.families import DEFAULT

COMPARISON = "#comparison table"
FID = 2  # its first column of FID


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The page of a finished run, and its grid."""
    folder = tmp_path_factory.mktemp("run")
    grid = write_run(folder, objectives=DEFAULT[:4], size=8)
    build(folder)
    return folder / "report.html", grid


@pytest.fixture(scope="module")
def chromium():
    if missing := why_no_browser():
        pytest.skip(missing)  # Browser() below fails instead where CI is set
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    """A browser that, in the end, was not refused anything and asked for nothing from outside."""
    chromium.opened = 0
    chromium.requests.clear()
    chromium.errors.clear()
    yield chromium
    assert chromium.errors == []
    assert [url for url in chromium.requests if not url.startswith(("file:///", "data:image/png;base64,"))] == []
    assert len([url for url in chromium.requests if url.startswith("file:")]) == chromium.opened


def column(browser: Browser, place: int, selector: str = COMPARISON, part: str = "tbody") -> list[str]:
    """The texts of a column's rows that are shown."""
    script = f"""[...document.querySelectorAll({json.dumps(f"{selector} {part}")})].flatMap((part) => [...part.rows])
        .filter((row) => row.className !== "group" && row.offsetParent !== null)
        .map((row) => row.cells[{place}].innerText.trim())"""
    return browser.run(script)


def titles(browser: Browser) -> list[str]:
    """The titles of the table's parts that are shown."""
    rows = f"[...document.querySelectorAll('{COMPARISON} .group')].filter((row) => row.offsetParent !== null)"
    return browser.run(f"{rows}.map((row) => row.innerText.trim())")


def head(place: int) -> str:
    return f"{COMPARISON} th:nth-child({place + 1})"


def test_a_click_on_a_header_sorts_by_the_number_in_front(run, browser):
    page, grid = run
    browser.open(page)
    at_first, floors = column(browser, FID), column(browser, FID, part="tfoot")
    names = column(browser, 0)
    numbers = [float(text.split(" ± ")[0]) for text in at_first]
    assert len(numbers) == len(grid["cells"]) == 8
    assert titles(browser) == BACKBONES

    def by_part(key, texts):  # each backbone's rows are sorted by themselves
        return [*sorted(texts[:4], key=key), *sorted(texts[4:], key=key)]

    browser.click(f"{head(FID)} button")
    assert column(browser, FID) == by_part(lambda text: float(text.split(" ± ")[0]), at_first)
    assert browser.run(f"document.querySelector('{head(FID)}').getAttribute('aria-sort')") == "ascending"
    assert sorted(zip(column(browser, FID), column(browser, 0), strict=True)) == sorted(
        zip(at_first, names, strict=True)
    )
    browser.click(f"{head(FID)} button")
    assert column(browser, FID) == by_part(lambda text: -float(text.split(" ± ")[0]), at_first)
    assert browser.run(f"document.querySelector('{head(FID)}').getAttribute('aria-sort')") == "descending"
    browser.run(f"document.querySelector('{head(0)} button').focus()")
    browser.press("Enter")
    assert column(browser, 0) == by_part(str, names)
    assert titles(browser) == BACKBONES
    states = browser.run(
        f"[...document.querySelectorAll('{COMPARISON} thead th')].map((th) => th.getAttribute('aria-sort'))"
    )
    assert states.count("none") == len(states) - 1
    browser.press(" ")
    browser.press("Enter")
    assert column(browser, FID) == at_first
    assert column(browser, FID, part="tfoot") == floors == ["0.05", "-"]


def test_numbers_are_sorted_as_numbers_and_what_is_missing_is_last(tmp_path, browser):
    values = [
        "10.00 ± 0.30",
        "-",
        "9.50 (9.00..11.00)",
        "-0.02 ± 0.03",
        "1,234",
        "81.0%",
        "2/3, 1 missing",
        "nan",
        "+3.5",
    ]
    rows = [[f"row {i}", value] for i, value in enumerate(values)]
    path = tmp_path / "page.html"
    path.write_text(html.render([Heading("t", 1), Heading("Comparison"), table(["name", "value"], rows)], {}))
    browser.open(path)
    order = ["-0.02 ± 0.03", "2/3, 1 missing", "+3.5", "9.50\n(9.00..11.00)", "10.00 ± 0.30", "81.0%", "1,234"]
    browser.click(f"{head(1)} button")
    assert column(browser, 1) == [*order, "-", "nan"]
    browser.click(f"{head(1)} button")
    assert column(browser, 1) == [*order[::-1], "-", "nan"]


def test_typing_filters_the_rows_and_counts_them(run, browser):
    page, _ = run
    browser.open(page)
    browser.click("#comparison .filter input")
    browser.type("V/COSINE 1/1")
    assert column(browser, 0) == ["v/cosine", "v/cosine"]
    assert titles(browser) == BACKBONES
    counted = "document.querySelector('#comparison .filter output').textContent"
    assert browser.run(counted) == "2 of 8 rows"
    assert len(column(browser, 0, part="tfoot")) == 2
    browser.click(f"{head(FID)} button")
    assert column(browser, 0) == ["v/cosine", "v/cosine"]


def test_the_dark_page_is_chosen_and_remembered(run, browser):
    page, _ = run
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(page)
    light = browser.run(ground)
    assert light == "rgb(255, 255, 255)"
    browser.click("#theme")
    dark = browser.run(ground)
    assert sum(map(int, re.findall(r"\d+", dark))) < 120
    shown = "getComputedStyle(document.querySelector('{}')).{}"
    assert browser.run(shown.format(".chart img", "filter")).startswith("invert(0.92)")
    assert browser.run(shown.format(".photos svg", "display")) == "block"
    browser.open(page)
    assert browser.run(ground) == dark
    browser.click("#theme")
    assert browser.run(ground) == light
    assert browser.run(shown.format(".chart img", "filter")) == "none"
    browser.run("localStorage.clear()")
    browser.open(page, dark=True)
    assert browser.run(ground) == dark


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(run, browser, width):
    page, _ = run
    browser.open(page, width=width, height=800)
    assert browser.run("document.documentElement.scrollWidth") == width
    pictures = browser.run(
        "[...document.images].filter((i) => i.offsetParent).map((i) => [i.naturalWidth > 0, i.clientWidth"
        " - i.naturalWidth, i.closest('.sheet').getBoundingClientRect().right < innerWidth])"
    )
    assert pictures and all(ready and fits for ready, _, fits in pictures)
    if width < 500:  # a phone shows figures at their own size, so that their words can be read
        assert {smaller for _, smaller, _ in pictures} == {0}
    left = "document.querySelector('{}').getBoundingClientRect().left"
    at_first = browser.run(left.format(f"{COMPARISON} td"))
    browser.run("document.querySelector('#comparison .scroll').scrollLeft = 300")
    assert browser.run(left.format(f"{COMPARISON} td")) == at_first  # a row keeps its name


def test_no_table_is_wider_than_the_page_at_1440(run, browser):
    page, _ = run
    browser.open(page, width=1440, height=900)
    wide = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert browser.run(wide) == 0


def test_pictures_are_themselves_on_a_dark_page(run, browser, tmp_path):
    """The digits' own pixels are the same on both pages, the paper round them is not."""
    page, _ = run
    pixels = {}
    for dark in (False, True):
        browser.open(page, width=1280, height=900, dark=dark)
        x, y, right, top = browser.run(
            "(() => { const image = document.querySelector('.photos img'); image.scrollIntoView();"
            " const box = image.getBoundingClientRect(); const parts = image.nextSibling.firstChild.getAttribute('d');"
            " const [, left, up] = parts.match(/M(\\d+) (\\d+)/).map(Number);"
            " return [box.left + left, box.top + up, box.right, box.top] })()"
        )
        browser.picture(tmp_path / "shot.png")
        image = np.asarray(Image.open(tmp_path / "shot.png").convert("L")).astype(int)
        inside = image[int(y) + 2 : int(y) + 40, int(x) + 2 : int(x) + 80]
        pixels[dark] = inside, image[int(top) + 1, int(right) - 3]
    assert (abs(pixels[True][0] - pixels[False][0]) <= 1).all() and pixels[True][0].std() > 0
    assert pixels[False][1] == 255 and pixels[True][1] < 40


def test_the_table_inside_the_page_is_the_file_beside_it(run, browser):
    page, _ = run
    browser.open(page)
    packed = browser.run("document.querySelector('a.file').href").split(",")[1]
    assert gzip.decompress(base64.b64decode(packed)) == (page.parent / "results.csv").read_bytes()
    browser.run(
        "URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text }); return '#' };"
        "document.querySelector('a.file').click()"
    )
    until = "new Promise((done) => setTimeout(() => done(window.saved), 500))"
    assert browser.run(until) == (page.parent / "results.csv").read_text()


def test_on_paper_tables_are_whole_and_buttons_are_gone(run, browser):
    page, _ = run
    browser.open(page, width=1032, dark=True, media="print")  # A4 across, less its margins
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("[...document.querySelectorAll('nav, .filter')].filter((e) => e.offsetParent).length") == 0
    cut = "e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight + 1"
    assert browser.run(f"[...document.querySelectorAll('.scroll')].filter((e) => {cut}).length") == 0
    assert browser.run("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"


def test_without_scripts_everything_is_there_and_no_control_is_dead(run, browser):
    page, _ = run
    browser.open(page)
    whole = column(browser, FID)
    browser.open(page, scripts=False)
    assert column(browser, FID) == whole
    assert browser.run("[...document.querySelectorAll('button, input')].filter((e) => e.offsetParent).length") == 0


def test_contents_lead_to_the_sections(run, browser):
    page, _ = run
    browser.open(page)
    places = browser.run("[...document.querySelectorAll('nav a')].map((a) => a.getAttribute('href'))")
    assert places[:2] == ["#ranks", "#comparison"]
    assert len(set(places)) == len(browser.run("[...document.querySelectorAll('section[id]')].map((s) => s.id)"))
    browser.click("nav a[href='#failures']")
    assert abs(browser.run("document.querySelector('#failures').getBoundingClientRect().top")) < 900


def test_a_script_from_a_file_would_not_run(run, browser):
    page, _ = run
    browser.open(page)
    browser.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    browser.run("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))")
    assert browser.run("window.ran") is None
    assert all("Content Security Policy" in error for error in browser.errors)
    assert len(browser.errors) == 2
    assert browser.run("document.body.lastChild.naturalWidth") == 0
    browser.errors.clear()
    browser.requests.remove("https://example.org/x.png")  # seen, and refused


def test_names_are_text_in_html_too(tmp_path, browser):
    hostile = ["rf|x", "<script>window.ran=1</script>", "=cmd()|' /C calc'!A0", "a\nb`c`", "$x^2_", "[z](http://z)"]
    hostile += ['"><img src=x onerror=window.ran=1>']
    grid = write_run(tmp_path, objectives=hostile, backbones=["../<img src=x>|"], size=8, name="g|<b>",
                     notice="<b>n</b>", command="echo </code><script>window.ran=1</script>")  # fmt: skip
    fail(tmp_path / grid["cells"][1]["dir"], "failed", "</td><script>window.ran=1</script>")
    build(tmp_path)
    browser.open(tmp_path / "report.html")
    assert sorted(column(browser, 0)) == sorted(" ".join(name.split()) for name in hostile)
    assert browser.run("window.ran") is None
    assert browser.run("document.querySelectorAll('img:not([src^=\"data:image/png\"]), main b').length") == 0
    assert "</td><script>" in browser.run("document.querySelector('#failures table').innerText")


def test_failed_missing_and_diverged_cells_are_in_the_denominators(tmp_path, browser):
    grid = write_run(tmp_path, objectives=DEFAULT[:3], backbones=BACKBONES[:1], seeds=(0, 1), size=8)
    folders = [tmp_path / cell["dir"] for cell in grid["cells"]]
    fail(folders[0], "failed", "out of memory")
    fail(folders[1], "diverged", "loss is nan at step 7")
    (folders[2] / "result.json").unlink()
    build(tmp_path)
    browser.open(tmp_path / "report.html")
    assert sorted(column(browser, 1)) == ["0/2, 1 diverged, 1 failed", "1/2, 1 missing", "2/2"]
    assert "3 of 6 cells are done; 1 diverged, 1 failed, 1 missing" in browser.run("document.body.innerText")
    assert column(browser, 1, "#failures table") == ["failed", "diverged", "missing"]


def test_a_page_reloads_itself_only_while_its_grid_is_at_work(tmp_path, browser):
    grid = write_run(tmp_path, objectives=DEFAULT[:3], backbones=BACKBONES[:1], seeds=(0, 1, 2), size=8)
    (tmp_path / grid["cells"][2]["dir"] / "result.json").unlink()
    fail(tmp_path / grid["cells"][3]["dir"], "failed")
    again = "document.querySelector('meta[http-equiv=refresh]')?.content"
    build(tmp_path, running=True)
    browser.open(tmp_path / "report.html")
    assert browser.run(again) == "30"
    said = browser.run("document.body.innerText")
    assert "The grid is at work: 7 of 9 cells are done; 1 failed (see Failures). 1 to come" in said
    assert column(browser, 1, "#failures table") == ["failed"]
    assert "The grid is at work: 7 of 9" in (tmp_path / "report.md").read_text()
    browser.click(f"{head(FID)} button")
    order = column(browser, FID)
    browser.open(tmp_path / "report.html")  # what the reader chose outlives the reload
    assert column(browser, FID) == order
    build(tmp_path)
    browser.open(tmp_path / "report.html")
    assert browser.run(again) is None
    assert "at work" not in browser.run("document.body.innerText").lower()


class Outside(HTMLParser):
    """Collects the addresses that a page would load, and those that a reader may click."""

    def __init__(self):
        super().__init__()
        self.loaded, self.clicked = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "data", "action", "poster") or (name == "href" and tag != "a"):
                self.loaded.append(value)
            elif name == "href":
                self.clicked.append(value)


def test_one_file_holds_all(run):
    page, _ = run
    text = page.read_text()
    found = Outside()
    found.feed(text)
    assert found.loaded and all(url.startswith("data:image/png;base64,") for url in found.loaded)
    assert all(re.match(r"#[a-z]|https://arxiv\.org/abs/|data:application/gzip;base64,", url) for url in found.clicked)
    assert "url(" not in text and "@import" not in text
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_every_kind_of_block_in_both_languages():
    blocks = [
        Heading("A|b", 1), Heading("S"), Heading("S"), Paragraph(("1. is ", Bold("b*"), " and ", Code("c`|d"), ".")),
        Paragraph("n", "note"), Paragraph(Bold("w"), "warning"), Bullets(("- x", ("y", Link("z", "https://a.b/(c)")))),
        table(["h", "n"], [["r|1", Code("a|b")]], foot=[["f", Bold("2")]]), Picture("p.png", ""), Listing("a\n```\nb"),
        Paragraph((Link("evil", "javascript:alert(1)"), " ", Link("up", "../../x"), " ", Link("csv", "results.csv"))),
    ]  # fmt: skip
    assert markdown.render(blocks) == (
        "# A\\|b\n\nContents: [S](#s) · [S](#s)\n\n"
        "## S\n\n## S\n\n1\\. is **b\\*** and ``c`|d``.\n\n> n\n\n> [!WARNING]\n> **w**\n\n"
        "- \\- x\n- y[z](https://a.b/%28c%29)\n\n| h | n |\n| --- | ---: |\n| r\\|1 | `a\\|b` |\n| f | **2** |\n\n"
        "![p](figures/p.png)\n\n````sh\na\n```\nb\n````\n\nevil up [csv](results.csv)\n"
    )
    image = io.BytesIO()
    Image.new("P", (5, 7)).save(image, "PNG")
    text = html.render(blocks, {"p.png": image.getvalue()})
    for part in ('<section id="s">', '<section id="s-2">', "<strong>b*</strong> and <code>c`|d</code>.",
                 '<p class="note">n</p>',
                 '<p class="warning"><strong>w</strong></p>', "<li>- x</li>", '<a href="https://a.b/(c)">z</a>',
                 '<td class="t">r|1</td>', "<td><strong>2</strong></td>", 'alt="p" width="5" height="7"',
                 "<code>a\n```\nb</code>", "<p>evil up <a href"):  # fmt: skip
        assert part in text, part
