"""What flags of the tool chain would save: of the module changed, or its source compiled again, and never guessed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from insitu.aot import Compiled, compile_decoded
from insitu.aot.efforts import SIZE, SPEED
from insitu.aot.plan import Plan
from insitu.errors import InsituError
from insitu.image.pack import pack
from insitu.image.read import has_allocator, read
from insitu.report.run import DEFAULT, Sizes
from insitu.toolchain import to_wasm
from insitu.wasm.decode import decode
from insitu.wasm.module import Module
from insitu.wasm.names import Names

# Exports that a runtime or a host looks for, whether a call names them or not.
_KEPT = ("_start", "_initialize", "malloc", "calloc", "realloc", "free")
# Of a source's compiler, by the file's suffix.
_FLAGS: dict[str, tuple[tuple[str, ...], ...]] = {
    suffix: (("-Os",), ("-Oz",), ("-O3",), ("-flto",)) for suffix in (".c", ".cpp", ".cc", ".cxx")
} | {".zig": (("-O", "ReleaseFast"), ("-fstrip",))}


@dataclass(frozen=True, slots=True)
class Saving:
    """Bytes that would be saved, negative where it would cost. Attributes: note: what it is, what it costs."""

    how: str
    flash: int
    linear_memory: int
    note: str


def savings(
    made: Compiled, source: Path | None, called: set[str], flags: Sequence[str] = (), sizes: Sizes = DEFAULT
) -> list[Saving]:
    """The most first; what changes nothing is left out, but for debug sections, of which many think that they do.

    source: what the module was compiled of with these flags, None: not known. called: exports that calls name. sizes:
    what it was compiled with.
    """
    found = [*_without_names(made, sizes), *_without_exports(made, called, sizes), *_for_size(made, sizes)]
    if source is not None:
        found += _with_flags(made, source, flags, sizes)
    found = sorted((one for one in found if one.flash or one.linear_memory), key=lambda one: -one.flash)
    return [*found, *_debug(made)]


def _saving(made: Compiled, image: bytes, how: str, note: str) -> Saving:
    before, after = read(made.image), read(image)
    return Saving(how, len(made.image) - len(image), before.memory_size - after.memory_size, note)


def _without_names(made: Compiled, sizes: Sizes) -> Iterator[Saving]:
    """The code stays as it is, so this image is what a module without its name section becomes."""
    bare = replace(made.plan.wasm, names=Names(), _cache={})
    plan = Plan(bare, made.plan.target, sizes.options())
    image = pack(plan, made.code, made.stack)
    yield _saving(made, image, "-Wl,--strip-all", "without names of functions; a trap then names exported ones only")


def _without_exports(made: Compiled, called: set[str], sizes: Sizes) -> Iterator[Saving]:
    """Compiled again without the functions that no call names; functions that only they use go, too."""
    wasm = made.plan.wasm
    functions = [export.name for export in wasm.exports if export.kind == "func"]
    unused = {name for name in functions if name not in called and name not in _KEPT and not has_allocator([name])}
    if not called or not unused:
        return
    kept = [export for export in wasm.exports if export.name not in unused]
    bare = replace(wasm, exports=kept, _cache={})
    image = _compiled(made, bare, sizes)
    yield _saving(made, image, "no export of " + ", ".join(sorted(unused)), "no call names them")


def _for_size(made: Compiled, sizes: Sizes) -> Iterator[Saving]:
    image = _compiled(made, made.plan.wasm, sizes, SIZE)
    yield _saving(made, image, f"insitu build --optimise {SIZE}", "compiled for size, which is slower")


def _compiled(made: Compiled, module: Module, sizes: Sizes, optimise: str = SPEED) -> bytes:
    target = made.plan.target.name
    return compile_decoded(module, target, sizes.options(optimise)).image


def _with_flags(made: Compiled, source: Path, flags: Sequence[str], sizes: Sizes) -> Iterator[Saving]:
    """Of a flag that the compiler refuses nothing is said."""
    with tempfile.TemporaryDirectory(prefix="insitu-report-") as folder:
        module = Path(folder, "module.wasm")
        for more in _FLAGS.get(source.suffix, ()):
            try:
                to_wasm(source, module, flags=[*flags, *more], unroll=made.plan.target.unroll)
            except InsituError:
                continue
            yield _saving(
                made, _compiled(made, decode(module.read_bytes()), sizes), " ".join(more), "compiled again with it"
            )


def _debug(made: Compiled) -> Iterator[Saving]:
    size = sum(len(content) for name, content, _ in made.plan.wasm.customs if name.startswith(".debug"))
    if size:
        yield Saving("-Wl,--strip-debug", 0, 0, f"the module's {size} bytes for debuggers do not come into the image")
