"""insitu-stubs/, the types of the package on a device, are those of port/, and editors and type checkers find them."""

from __future__ import annotations

import ast
import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
import wasmtime
from insitu import aot, sim
from insitu.board.boards import load_board
from insitu.machine.simulated import Simulated
from insitu.package.names import DEVICE, host_modules
from insitu.places import CHECKOUT
from mypy import api, stubtest

_BOARD = load_board("qemu_mps2_an385")
_STUBS = CHECKOUT / "insitu-stubs"
_INTERNAL = Path(__file__).with_name("internal.txt")
_MODULE = """(module (import "env" "double" (func $double (param i32) (result i32)))
  (memory (export "memory") 1) (table (export "table") 1 funcref) (global (export "count") (mut i32) (i32.const 3))
  (func (export "run") (param i32) (result i32) (call $double (local.get 0))))"""
# Right on every line, as running it shows; and wrong on every line.
_RIGHT = """import insitu
from insitu.wasi import Wasi
def double(x: int) -> int:
    return 2 * x
rt = insitu.Runtime(heap=bytearray(80000))
mod = rt.load(0x%x)
inst = mod.instantiate(stack_size=1024, imports={"env": {"double": double}})
result: int = inst.exports.run(21)
assert result == 42 and rt.instances == [inst]
assert inst.memory is not None and inst.memory[0] == 0 and inst.memory[1:3] == bytes(2)
assert inst.validate_app_addr(0, 1) and len(inst.exports.table) == 1 and inst.exports.count.value == 3
env = inst.create_exec_env(1024)
assert env.call("run", 4) == 8
trap = insitu.Trap("unreachable")
try:
    raise trap
except insitu.Error as error:
    print(error)
wasi = Wasi(args=("app",), folders={})
first, size = inst.aux_stack()
"""
_WRONG = """rt.load(1.5)
mod.instantiate(stack=1024)
inst.create_exec_env("1024")
insitu.Runtimes()
Wasi(args=1)
"""


def _names() -> list[str]:
    """Of the stubs: insitu, insitu.runtime, ..."""
    paths = [path.relative_to(_STUBS).with_suffix("") for path in sorted(_STUBS.rglob("*.pyi"))]
    return [".".join([DEVICE, *(part for part in path.parts if part != "__init__")]) for path in paths]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """`insitu` and its modules are those of a device, on a simulated one."""
    sim.install(sim.Cpu(_BOARD.target))
    port = importlib.import_module("insitu.port")
    package = ModuleType(DEVICE)
    vars(package).update({name: getattr(port, name) for names in port.PUBLIC.values() for name in names})
    vars(package)["__version__"] = ""  # package/compile.py gives it
    found = {name: importlib.import_module(host_modules()[name]) for name in _names() if name != DEVICE}
    for name, module in {DEVICE: package, **found}.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stubs that type checkers know; and one is in a folder of one's own."""
    folder = tmp_path / "typings"
    shutil.copytree(_STUBS, folder / DEVICE)
    monkeypatch.setenv("MYPYPATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_they_are_those_of_the_device(device: None, typed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--concise", "--allowlist", str(_INTERNAL), DEVICE]
    assert stubtest.test_stubs(stubtest.parse_options(options)) == 0, capsys.readouterr().out


def test_attributes_of_objects_are_there() -> None:
    """stubtest sees what a class has, not what __init__ gives an object."""
    contents = [(_BOARD.image.address, aot.compile_wasm(bytes(wasmtime.wat2wasm(_MODULE)), _BOARD.target))]
    with Simulated(_BOARD, contents) as machine, machine.link() as link:
        assert link.run(_RIGHT % _BOARD.image.address) == b'"unreachable"\n'
        names = link.names
    for thing in (names["rt"], names["mod"], names["inst"], names["env"], names["trap"]):
        for name in _attributes(type(thing).__name__):
            assert hasattr(thing, name), f"{type(thing).__name__}.{name}"


def _attributes(name: str) -> list[str]:
    """Those that the stub of a class has."""
    nodes = [node for path in _STUBS.rglob("*.pyi") for node in ast.parse(path.read_text()).body]
    (stub,) = [node for node in nodes if isinstance(node, ast.ClassDef) and node.name == name]
    found = [node.target for node in stub.body if isinstance(node, ast.AnnAssign)]
    assert found
    return [target.id for target in found if isinstance(target, ast.Name)]


def test_a_program_s_types(typed: Path) -> None:
    """Strict, they take what is right and refuse what is wrong; and are strict themselves."""
    right = _RIGHT % _BOARD.image.address
    Path("use.py").write_text(right + _WRONG)
    said, _, _ = api.run(["--strict", "--no-incremental", str(typed / DEVICE), "use.py"])
    lines = [line.split(":")[:2] for line in said.splitlines() if ": error: " in line]
    first = len(right.splitlines()) + 1
    assert lines == [["use.py", str(first + i)] for i in range(len(_WRONG.splitlines()))], said
