"""docs/native-modules.md: its commands, run, and its figures."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from insitu import places
from insitu.board.boards import load_board
from insitu.mpy import cross, romfs
from insitu.mpy.device import loader_files

from tests.cli.conftest import Command
from tests.mpy import modules

_PAGE = (places.CHECKOUT / "docs" / "native-modules.md").read_text()
_PROGRAMS = places.CHECKOUT / "build" / "micropython-1.25.0" / "tests" / "perf_bench"
_RUN = "run, result = m.bm_setup(m.bm_params[min(m.bm_params)])\nrun()\nprint(result())\n"


@pytest.mark.qemu
def test_commands(insitu: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, with the module that is on it; writing and copying to a Pico apart."""
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")
    monkeypatch.chdir(tmp_path)
    Path("crc.py").write_text(_PAGE.partition("```python\n")[2].partition("```")[0])
    lines = re.findall(r"^    (insitu .*)", _PAGE, re.MULTILINE)
    commands = [shlex.split(line)[1:] for line in lines if "--port" not in line]
    printed = ""
    for command in commands:
        if command[:2] != ["flash", "pico/modules.code"]:
            done = insitu(*command)
            assert done.status == 0, done.err
            printed += done.out
    assert len(commands) == 5
    assert "b'\\x05hello\\xd2n'\n" in printed
    for line in re.findall(r"^     (\S.*)", _PAGE, re.MULTILINE):
        assert line.split() in [found.split() for found in printed.splitlines()]
    assert Path("pico/crc.mpy").exists()


def test_what_the_loader_costs() -> None:
    sizes = [sum(map(len, loader_files(target).values())) for target in cross.MARCH]
    assert 4500 < min(sizes) < max(sizes) < 5500


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.skipif(not _PROGRAMS.is_dir(), reason="MicroPython's sources are another checkout")
@pytest.mark.parametrize("name", ["bm_hexiom", "misc_aes"])
def test_figures(name: str) -> None:
    """The same results, and RAM within a few blocks of what the page has."""
    board = load_board("qemu_mps2_an386")
    source = (_PROGRAMS / f"{name}.py").read_text()
    data = cross.compile_source(source, cross.MARCH[board.target], f"{name}.py", "-X", "emit=native")
    (row,) = re.findall(rf"^\| {name} \| (.*) \| (.*) \|$", _PAGE, re.MULTILINE)
    results = set()
    for shown, linked in zip(row, (False, True), strict=True):
        files = {f"{name}.mpy": data}
        with modules.mounted(board, files, convert=romfs.linked if linked else modules.as_it_is) as link:
            assert abs(int(link.run(modules.RAM.format(f"{name} as m"))) - int(shown.replace(",", ""))) < 200
            results.add(link.run(_RUN, timeout=60))
    assert len(results) == 1
