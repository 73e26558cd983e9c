"""The linker's surroundings: where ziglang keeps its library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from insitu.aot.link import archive

_COMPILE = """
import insitu.aot
insitu.aot.compile_wasm(bytes.fromhex("{wasm}"), "rv32imc")
"""
# (module (func (export "f") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1))))
_WASM = "0061736d01000000010701 60027c7c017c 03020100 0705010166 0000 0a0901 0700 20002001 a3 0b".replace(" ", "")


@pytest.mark.slow
def test_a_cache_path_with_a_space(tmp_path: Path) -> None:
    """Both ways to it: ziglang's own variable, and the home folder. ziglang fills the cache once, 5 s."""
    home = tmp_path / "a user's home"
    cache = home / ".cache" / "zig"
    cache.mkdir(parents=True)
    clean = {
        name: value for name, value in os.environ.items() if name not in ("ZIG_GLOBAL_CACHE_DIR", "XDG_CACHE_HOME")
    }
    for variables, folder in (({"ZIG_GLOBAL_CACHE_DIR": str(cache)}, tmp_path), ({"HOME": str(home)}, home)):
        command = [sys.executable, "-c", _COMPILE.format(wasm=_WASM)]
        done = subprocess.run(command, cwd=folder, env=clean | variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert list(cache.rglob("libcompiler_rt.a"))


def test_the_archive_is_the_path_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "with a space" / "o"
    place.mkdir(parents=True)
    (place / "libcompiler_rt.a").touch()
    monkeypatch.chdir(tmp_path)
    said = "clang version 22\nld.lld -o a.elf a.o --as-needed -L/ {}/libcompiler_rt.a -o x"
    assert archive(said.format(place)) == place / "libcompiler_rt.a"
    assert archive(said.format("with a space/o")) == place / "libcompiler_rt.a"
    assert archive(said.format("with a space/p")) is None
    assert archive("ld.lld a.o") is None
