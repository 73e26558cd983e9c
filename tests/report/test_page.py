"""The HTML in a browser: without a network and without an error, and its numbers are those of the JSON."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from insitu.report.html import html
from insitu.report.metrics import metrics
from PIL import Image

BROWSER = shutil.which("chromium")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr")


class _Page(HTMLParser):
    """Attributes: metrics: the second cell of each row that has a metric's name; classes: of elements, counted."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: dict[str, str] = {}
        self.classes = Counter[str]()
        self.texts: list[str] = []
        self._row, self._cells = "", 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.classes.update((found.get("class") or "").split())
        if tag == "tr":
            self._row, self._cells = found.get("data-metric") or "", 0
        self._cells += tag == "td"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._row and self._cells == 2 and data.strip():
            self.metrics.setdefault(self._row, data)


@pytest.fixture(scope="module")
def seen(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[_Page, str, Path]:
    """The document after its scripts have run, what the browser logged, and a picture."""
    if BROWSER is None:
        pytest.skip("chromium is not installed: nothing here can show a page")
    folder = tmp_path_factory.mktemp("page")
    (folder / "report.html").write_text(html(demo))
    options = [*_OPTIONS, "--virtual-time-budget=4000", "--window-size=1280,3000", f"--user-data-dir={folder}/profile"]
    shown = ["--dump-dom", f"--screenshot={folder}/page.png", (folder / "report.html").as_uri()]
    done = subprocess.run([BROWSER, *options, *shown], capture_output=True, text=True, check=True, timeout=120)
    page = _Page()
    page.feed(done.stdout)
    return page, done.stderr, folder / "page.png"


def test_nothing_is_fetched(demo: Any) -> None:
    page = html(demo)
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](?!data:)", page) == []
    assert json.loads(page.rpartition('id="facts">')[2].partition("</script>")[0]) == demo


def test_its_console_has_no_error(seen: tuple[_Page, str, Path]) -> None:
    assert [line for line in seen[1].splitlines() if "CONSOLE" in line] == []


def test_its_numbers_are_those_of_the_json(demo: Any, seen: tuple[_Page, str, Path]) -> None:
    wanted = {name: f"{value:,}" for name, value in metrics(demo["boards"][0]).items()}
    assert seen[0].metrics == wanted


def test_the_plots_are_drawn(demo: Any, seen: tuple[_Page, str, Path]) -> None:
    board, page = demo["boards"][0], seen[0]
    kinds = [kind for kind, size in board["flash"]["kinds"].items() if size]
    assert page.classes["slicetext"] > 0
    assert page.classes["slice"] >= 1 + len(kinds)  # plotly leaves out what is smaller than a pixel
    assert page.classes["point"] >= len(board["stack"]["path"]) + 1
    assert page.classes["js-line"] >= 3  # curves of RAM: global heap used and peak, linear memory
    assert f"measured: {max(call['peaks']['operand stack'] for call in board['calls'])}" in "".join(page.texts)


def test_it_has_colours(seen: tuple[_Page, str, Path]) -> None:
    """A page that was not drawn is white, or has the page's background alone."""
    with Image.open(seen[2]) as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    drawn = {colour: count for count, colour in colours or []}
    for wanted in ((0x4E, 0x79, 0xA7), (0xF2, 0x8E, 0x2B), (0xB0, 0x7A, 0xA1)):  # functions, library, data
        assert drawn.get(wanted, 0) > 2000
