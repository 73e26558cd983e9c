"""A page of the documentation as a reader follows it: its blocks, its commands, what these print."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from insitu.places import CHECKOUT

from tests.cli.conftest import Command, Done

PAGES = CHECKOUT / "docs" / "boards"
ALL = {
    path.relative_to(CHECKOUT).as_posix(): path
    for path in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
}
_REWRITE = "REWRITE_DOCS"  # an environment variable
PORT = "/dev/ttyACM0"
INDENTED = "indented"
# Between fences, with what is before them in a list; or four spaces, behind an empty line.
_BLOCK = re.compile(
    r"^(?P<margin> *)```(?P<kind>\w*)\n(?P<fenced>(?:.*\n)*?)^(?P=margin)```$"
    r"|(?<=\n\n)(?P<indented>(?: {4}.*\n|\n(?= {4}))+)",
    re.MULTILINE,
)
_FILE = re.compile(r"`([\w.]+)`[^`]*:$")
_FILES = ("c", "python", "toml")
_IN_FLASH = re.compile(r"(\d+) bytes of flash")
_PROGRAMS = ("insitu", "make", "pip", "mpremote", "rustc", "asc")


class Block(NamedTuple):
    """kind: of the fence, or INDENTED; text: without its margin; file: what the line before calls it, "": nothing."""

    kind: str
    text: str
    file: str


def blocks(page: Path) -> Iterator[Block]:
    """Each block of a page."""
    text, end = page.read_text(), 0
    for block in _BLOCK.finditer(text):
        margin, kind, body = block["margin"], block["kind"], block["fenced"]
        if body is None:
            margin, kind, body = "    ", INDENTED, block["indented"]
        before = text[end : block.start()].rstrip().rpartition("\n")[2]
        found = _FILE.search(before) if kind in _FILES else None
        yield Block(kind, re.sub(f"^{margin}", "", body, flags=re.MULTILINE), found[1] if found else "")
        end = block.end()


def commands(block: Block) -> Iterator[tuple[str, list[str] | None]]:
    """Each command of a block and the lines that it prints; None: those are not shown."""
    if block.kind == "console":
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            yield command, lines
    elif block.kind == INDENTED and block.text.startswith(_PROGRAMS):
        for command in block.text.replace("\\\n", "").splitlines():
            yield command, None


def expected(lines: list[str], exact: bool = True) -> re.Pattern[str]:
    """Spaces may differ, "..." stands for any lines; numbers may differ where it is not exact."""
    pattern = ""
    for line in lines:
        if line == "...":
            pattern += r"(?:.*\n)*?"
            continue
        words = line.rstrip() if exact else re.sub(r"0x[0-9a-f]{8}|\d+", "\0", line.rstrip())
        pattern += re.sub(r"(?:\\ )+", " +", re.escape(words)).replace("\0", "(?:0x[0-9a-f]{8}|[0-9]+)") + " *\n"
    return re.compile(pattern)


def check(page: Path, command: str, lines: list[str], printed: str) -> None:
    """What a command prints is what the page shows; the device package's size in flash, which every change of port/
    changes, within a twentieth; and its RAM, which is the emulated machine's, is not compared."""
    exact = "deploy" not in shlex.split(command)
    if exact and _REWRITE in os.environ:
        _rewrite(page, lines, printed)
        return
    assert expected(lines, exact).fullmatch(printed), f"{command}\n{printed}\n{_REWRITE}=1 puts it into {page.name}"
    if not exact:
        (shown,), (now,) = (map(int, _IN_FLASH.findall(text)) for text in ("\n".join(lines), printed))
        assert abs(shown - now) <= now / 20, f"{command}\n{printed}"


def _rewrite(page: Path, lines: list[str], printed: str) -> None:
    """Lines that differ in numbers alone are in the page as they are printed now."""
    text = page.read_text()
    for line in lines:
        now = [one.rstrip() for one in printed.splitlines() if expected([line], exact=False).fullmatch(f"{one}\n")]
        if line != "..." and now:
            text = text.replace(line, now[0])
    page.write_text(text)


def as_if_at(real: int, address: int, insitu: Command) -> Command:
    """insitu, but that what it prints has a board's real address of images where it has the address here."""

    def run(*words: object) -> Done:
        done = insitu(*words)
        return replace(done, out=done.out.replace(f"{address:#010x}", f"{real:#010x}"))

    return run


def follow(
    page: str,
    port: str,
    insitu: Command,
    python: Callable[[str], None],
    before: Callable[[str], None] = lambda command: None,
) -> int:
    """Call every command of a page of docs/boards/, in the folder that one is in, and compare what it prints; how many
    there were.

    python: what a block that runs on the board is given to; before: what each command is, before it is called.
    """
    called = 0
    for block in blocks(PAGES / page):
        if block.file:
            Path(block.file).write_text(block.text)
        elif block.kind == "python":
            python(block.text)
        for command, lines in commands(block):
            before(command)
            name, *words = shlex.split(command.replace(PORT, port))
            assert name == "insitu" and lines is not None
            done = insitu(*words)
            assert done.status == 0, f"{command}\n{done.err}"
            check(PAGES / page, command, lines, done.out)
            called += 1
    return called
