"""The device's names of port/'s files: one folder there, whatever folders there are here."""

from __future__ import annotations

import pytest
from insitu.board import boards
from insitu.errors import InsituError
from insitu.package import compile as package
from insitu.package import names

FILES = ["__init__.py", "platform/__init__.py", "platform/rv32.py", "runtime.py", "store/memory.py", "store/table.py"]


@pytest.mark.parametrize(
    ("path", "here", "there"),
    [
        ("runtime.py", "from .store.memory import Memory", "from .memory import Memory"),
        ("runtime.py", "from . import platform", "from . import platform"),
        ("store/table.py", "from .. import platform", "from . import platform"),
        ("store/table.py", "from ..runtime import Runtime as R", "from .runtime import Runtime as R"),
        ("store/table.py", "from . import memory, table", "from . import memory, table"),
        ("store/table.py", "def f():\n    from .memory import grow", "def f():\n    from .memory import grow"),
        ("runtime.py", "from .store import table, memory as m", "from . import table, memory as m"),
        ("platform/__init__.py", "from .rv32 import start", "from .rv32 import start"),
        ("platform/rv32.py", "from ..platform import rv32, view", "from . import rv32\nfrom .platform import view"),
        ("runtime.py", "from micropython import const", "from micropython import const"),
    ],
)
def test_an_import_of_another_file_of_the_package(path: str, here: str, there: str) -> None:
    assert names.flatten(here, path, FILES) == there + "\n"


def test_an_import_of_what_is_not_there() -> None:
    with pytest.raises(InsituError, match=r"^port/store/table\.py:2: port/store has no heap$"):
        names.flatten("import sys\nfrom . import heap", "store/table.py", FILES)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("from insitu.port.store.memory import Memory", "from insitu.memory import Memory"),
        ("from insitu.port import platform", "from insitu import platform"),
        ("from insitu.port.xip.layout import ENV_SP as SP", "from insitu.layout import ENV_SP as SP"),
        ("from insitu.port.errors import *", "from insitu.errors import *"),
        ("from insitu.portal import a", "from insitu.portal import a"),
    ],
)
def test_a_test_s_device_code(here: str, there: str) -> None:
    assert names.on_device(here) == there + "\n"


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(InsituError, match=r"^port/heap/raw\.py and port/xip/raw\.py would both be raw\.py on a device"):
        names.device_files(["heap/raw.py", "xip/image.py", "xip/raw.py"])
    with pytest.raises(InsituError, match=r"port/platform\.py and port/platform/__init__\.py"):
        names.device_files(["platform.py", "platform/__init__.py"])


def test_every_target_s_package_is_one_folder_that_imports_only_what_is_in_it() -> None:
    for board in {board.target: board for board in map(boards.load_board, boards.names())}.values():
        sources = package.device_sources(board)
        assert not [name for name in sources if "/" in name]
        for name, source in sources.items():
            names.flatten(source, name, [*sources, "simulated.py", "cortex_m.py", "rv32.py"])
