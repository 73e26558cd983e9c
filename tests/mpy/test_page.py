"""The figures of docs/native-modules.md; tests/docs/test_blocks.py runs its commands."""

from __future__ import annotations

import re

import pytest
from insitu import places
from insitu.board.boards import load_board
from insitu.mpy import cross, romfs
from insitu.mpy.device import loader_files

from tests.mpy import modules

_PAGE = (places.CHECKOUT / "docs" / "native-modules.md").read_text()
_PROGRAMS = places.CHECKOUT / "build" / "micropython-1.25.0" / "tests" / "perf_bench"
_RUN = "run, result = m.bm_setup(m.bm_params[min(m.bm_params)])\nrun()\nprint(result())\n"


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
