"""Modules that must be refused, from the scripts of WebAssembly 1.0's suite in Binaryen's test/spec.

Debian 12's source package of Binaryen has scripts of the official suite, some as they are, some changed. Only their
assert_invalid and assert_malformed of binaries are taken, and of these what WebAssembly 2.0 refuses, too.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.spec import wabt
from tests.spec.package import FetchError, Module, Script, is_valid

_REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_REPO / "firmware"))  # scripts that run before .venv is, no package
import debian  # type: ignore[import-not-found]  # noqa: E402

PACKAGE = "Debian's binaryen 108"
_SOURCE = debian.Source(
    name="binaryen",
    version="108-1",
    archive="binaryen_*.orig.tar.*",
    sha256="7fea5013da7f98daeeb6a0a60333e8aa917bcb0b1b418ba8531fe710d09041f2",
    suite="bookworm",
)
# Those that wast2json reads. Not there: Binaryen's own, and what needs proposals that came later.
_SCRIPTS = """
    address align binary-leb128 binary block br br_if br_table call call_indirect const data exports f32_bitwise
    f32_cmp f64_bitwise f64_cmp float_literals func func_ptrs get_local globals i32 i64 if imports int_literals labels
    load local_get local_set local_tee loop memory memory_grow memory_size nop ref_func return select set_local start
    store store_retval switch table_get table_grow table_set table_size tee_local token type unreached-invalid
    utf8-custom-section-id utf8-import-field utf8-import-module utf8-invalid-encoding
"""
_REFUSED = ("assert_invalid", "assert_malformed")
_VALID = "WebAssembly 2.0 takes what 1.0 refuses"
_OTHER = "WebAssembly 2.0 refuses it for another reason"
# 1.0's words to 2.0's; "": there a binary of this kind is wrong in another way.
_WORDS = {
    "invalid UTF-8 encoding": "malformed UTF-8 encoding",
    "invalid mutability": "malformed mutability",
    "invalid value type": "",
    "junk after last section": "",
    "unexpected end of section or function": "",
    "zero flag expected": "",
}


def read(folder: Path) -> list[Script]:
    """The scripts, fetched by apt and unpacked below folder. Raises FetchError."""
    try:
        (tree,) = debian.fetch([_SOURCE], folder)
    except debian.SetupError as error:
        raise FetchError(str(error)) from None
    return [_script(tree / "test" / "spec" / f"{name}.wast") for name in _SCRIPTS.split()]


def _script(path: Path) -> Script:
    with tempfile.TemporaryDirectory(prefix="insitu-spec-") as name:
        modules, commands = wabt.commands(path, Path(name))
        kept = [command for command in commands if _is_kept(command)]
        binaries = [(modules / command["filename"]).read_bytes() for command in kept]

    def module(number: int) -> Module:
        command = kept[number]
        command["text"] = _WORDS.get(command["text"], command["text"])
        if not command["text"]:
            return b"", _OTHER
        return binaries[number], _VALID if is_valid(binaries[number]) else ""

    return Script(f"{path.stem}.refused", kept, module)


def _is_kept(command: dict[str, Any]) -> bool:
    return command["type"] in _REFUSED and command["module_type"] == "binary"
