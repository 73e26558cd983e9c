"""`insitu build` of sources: what comes out runs, what does not is said, and each hint is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from insitu.toolchain import LANGUAGES

from tests.cli.conftest import Command, refused

_BOARD = ("-b", "qemu_stm32f405")
_C_ADD = '__attribute__((export_name("add"))) int add(int a, int b) { return a + b; }\n'
# suffix, source, a call, what it prints
_SOURCES = [
    (".c", _C_ADD, ("add", 2, 3), "5\n"),
    (
        ".c",
        "#include <string.h>\n"
        'static char text[] = "seven..";\n'
        '__attribute__((export_name("length"))) int length(void) { return strlen(text); }\n',
        ("length",),
        "7\n",
    ),
    (".c", '#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); }\n', ("_start",), "42\n"),
    (  # what a constructor does at run time
        ".cpp",
        "static volatile int first = 40;\n"
        "struct Count { int n; Count() : n(first) {} } count;\n"
        'extern "C" __attribute__((export_name("next"))) int next() { return ++count.n; }\n',
        ("next",),
        "41\n",
    ),
    (".zig", "export fn add(a: i32, b: i32) i32 { return a + b; }\n", ("add", 2, 3), "5\n"),
    (".wat", '(module (func (export "same") (param i32) (result i32) (local.get 0)))', ("same", 9), "9\n"),
]


@pytest.mark.parametrize(("suffix", "source", "call", "printed"), _SOURCES)
def test_a_source_runs(
    insitu: Command, tmp_path: Path, suffix: str, source: str, call: tuple[object, ...], printed: str
) -> None:
    app = tmp_path / f"my app{suffix}"
    app.write_text(source)
    done = insitu("build", app, *_BOARD)
    assert done.status == 0, done.err
    command, says = done.out.splitlines()
    assert command.endswith(f"'{app}'")
    assert says.startswith(f"{app.with_suffix('.xip')}: ")
    assert app.with_suffix(".wasm").exists()
    run = insitu("run", app.with_suffix(".xip"), *_BOARD, "--sim", "--invoke", *call)
    assert (run.status, run.out) == (0, printed), run.err


def test_small_code_is_small_from_the_source_on(insitu: Command, tmp_path: Path) -> None:
    app = tmp_path / "sum.c"
    app.write_text(
        '__attribute__((export_name("sum"))) int sum(int n) {\n'
        "    static int squares[8];\n"
        "    for (int i = 0; i < 8; i++) squares[i] = i * n;\n"
        "    return squares[n & 7] + squares[3];\n"
        "}\n"
    )
    sizes = []
    for more in ([], ["--optimise", "size"], ["--optimise", "size", "--", "-O2"]):
        done = insitu("build", app, *_BOARD, *more)
        assert done.status == 0, done.err
        assert ("-Os" in done.out.splitlines()[0].split()) == ("size" in more)
        sizes.append(app.with_suffix(".wasm").stat().st_size)
        run = insitu("run", app.with_suffix(".xip"), *_BOARD, "--sim", "--invoke", "sum", 5)
        assert (run.status, run.out) == (0, "40\n"), run.err
    assert sizes[1] < sizes[0] == sizes[2]  # what the user adds counts


def test_there_is_a_source_of_each_language() -> None:
    tested = [LANGUAGES[suffix] for suffix, *_ in _SOURCES]
    assert all(language in tested for language in LANGUAGES.values())


def test_exports_flags_and_further_sources(insitu: Command, tmp_path: Path) -> None:
    app, more, made = tmp_path / "app.c", tmp_path / "more.c", tmp_path / "other.xip"
    app.write_text("int more(void);\nint go(void) { return N + more(); }\n")
    more.write_text("int more(void) { return 2; }\n")
    refused(insitu("build", app, *_BOARD, "--", more, "-DN=40"), "app.c exports no function: mark one with __attrib")
    flags = ("--", more, "-DN=40", "-Wl,-z,stack-size=2048")
    done = insitu("build", app, *_BOARD, "-o", made, "--export", "go", *flags)
    assert "linear memory 2048 bytes" in done.out, done
    assert insitu("run", made, *_BOARD, "--sim", "--invoke", "go").out == "42\n"


def test_what_does_not_compile(insitu: Command, tmp_path: Path) -> None:
    app = tmp_path / "app.c"
    refused(insitu("build", app, *_BOARD), "app.c: No such file or directory")
    for source, says in (
        (_C_ADD.replace("+ b", "+ c"), "app.c:1:"),
        ('#include "nowhere.h"\n', "'nowhere.h' file not"),
    ):
        app.write_text(source)
        done = insitu("build", app, *_BOARD)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith("insitu: app.c does not compile:\n")
        assert says in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["app.c"]
    text = tmp_path / "app.wat"
    text.write_text("(module")
    assert insitu("build", text, *_BOARD).err.startswith("insitu: app.wat does not compile:\n")
    refused(insitu("build", text, *_BOARD, "--export", "f"), "--export is for compilers")
    app.with_suffix(".rs").write_text("fn main() {}")
    refused(insitu("build", app.with_suffix(".rs"), *_BOARD), "app.rs is neither a module nor an image", ".zig")


def test_flags_without_a_source(insitu: Command, tmp_path: Path) -> None:
    for more in (("--export", "f"), ("--", "-O3")):
        done = insitu("build", tmp_path / "app.wasm", *_BOARD, *more)
        assert (done.status, done.out) == (2, "")
        assert "for the compiler of a source" in done.err


_GROWS = _C_ADD + '__attribute__((export_name("more"))) int more(void) { return __builtin_wasm_memory_grow(0, 1); }\n'
_BARE = ("-target", "wasm32-freestanding", "-nostdlib", "-Wl,--no-entry")
_WASI = ("-target", "wasm32-wasi", "-mexec-model=reactor")
_ZIG_DEFAULT = {"wasm32-freestanding": 1 << 20, "wasm32-wasi": 1 << 24}  # src/link.zig of zig: default stack sizes


@pytest.mark.parametrize("source", [_C_ADD, _GROWS], ids=["fixed", "grows"])
@pytest.mark.parametrize("marks", [(), ("-Wl,--export=__heap_base", "-Wl,--export=__data_end")], ids=["", "marks"])
@pytest.mark.parametrize("target", [_BARE, _WASI], ids=["bare", "wasi"])
def test_the_hint_on_zig_s_stack_is_true(
    insitu: Command, tmp_path: Path, source: str, marks: tuple[str, ...], target: tuple[str, ...]
) -> None:
    """What the hint says is done; the stack's bytes are gone, and there is no further hint but on growth."""
    app = tmp_path / "app.c"
    app.write_text(source)

    def built(*options: str) -> tuple[int, str]:
        _zig(app, *target, *marks, *options)
        done = insitu("build", app.with_suffix(".wasm"), *_BOARD, "--json").json
        return done["linear_memory"], done["linear_memory_hint"]

    size, hint = built()
    assert f"takes {_ZIG_DEFAULT[target[1]]} of these bytes" in hint
    assert "memory.grow" not in hint
    assert size >= _ZIG_DEFAULT[target[1]]
    size, hint = built(*re.findall(r"-Wl,\S+", hint))
    assert size <= 65536
    assert hint == ("not truncated: memory.grow is used, or its growth is exported" if source is _GROWS else "")


def test_the_hint_on_marks_is_true(insitu: Command, tmp_path: Path) -> None:
    app = tmp_path / "app.c"
    app.write_text("static int kept[100];\n" + _C_ADD.replace("a + b", "kept[a % 100] += b"))
    _zig(app, *_BARE, "-Wl,-z,stack-size=1024")
    done = insitu("build", app.with_suffix(".wasm"), *_BOARD, "--json").json
    _zig(app, *_BARE, "-Wl,-z,stack-size=1024", *re.findall(r"-Wl,\S+", done["linear_memory_hint"]))
    after = insitu("build", app.with_suffix(".wasm"), *_BOARD, "--json").json
    assert after["linear_memory_hint"] == ""
    # at most what the hint says, at least all but the stack, the array, and rounding
    (saved,) = map(int, re.findall(r"save up to (\d+) bytes", done["linear_memory_hint"]))
    assert saved - 1024 - 400 - 16 <= done["linear_memory"] - after["linear_memory"] <= saved


def test_the_hint_on_the_aux_stack_is_true(insitu: Command, tmp_path: Path) -> None:
    app = tmp_path / "app.c"
    app.write_text(_C_ADD)
    done = insitu("build", app, *_BOARD, "--aux-stack-size", 4096)
    assert done.status == 1
    assert insitu("build", app, *_BOARD, "--aux-stack-size", 4096, "--", *re.findall(r"-Wl,\S+", done.err)).status == 0


def _zig(app: Path, *options: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-O2", *options, app, "-o", app.with_suffix(".wasm")], check=True
    )
