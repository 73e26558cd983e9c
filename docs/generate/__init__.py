"""The pages of docs/reference/, made from the sources: `python -m docs.generate` writes them."""

from __future__ import annotations

from pathlib import Path

from docs.generate import commands, python

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
COMMAND = "python -m docs.generate"
_MADE = f"Made by `{COMMAND}` from {{}}.\n"
_DEVICE = """# On the board

`import insitu` on a board. What is in `insitu` itself is there at once, every other module is loaded when it is
imported. {made}"""
_HOST = """# On the host

What the verbs of the [command line](cli.md) call, for programs of your own. What goes wrong raises `InsituError` or one
of its kinds. {made}"""
_CLI = "# Command line\n\n{made}"
# In the order that one meets them.
_ON_DEVICE = (
    "__init__",
    "runtime",
    "module",
    "instance",
    "handles",
    "shared",
    "exec_env",
    "app_heap",
    "addresses",
    "wasi",
    "threads",
    "waiting",
    "images",
    "trust",
    "mapped_flash",
    "telemetry/__init__",
)
_ON_HOST = (
    "toolchain",
    "aot/__init__",
    "commands/build",
    "commands/inspect",
    "commands/tune",
    "commands/report",
    "report/metrics",
    "commands/budget",
    "report/budget",
    "commands/bind",
    "image/read",
    "image/parts",
    "board/boards",
    "board/record",
    "commands/boards",
    "flash/write",
    "flash/file",
    "commands/deploy",
    "package/deploy",
    "session/session",
    "session/given",
    "machine/__init__",
    "link/runner",
    "link/raw_repl",
    "commands/memory",
    "telemetry/ask",
    "telemetry/decode",
    "telemetry/draw",
    "telemetry/record",
    "commands/selftest",
    "commands/desk",
    "commands/mpy",
    "mpy/link",
    "mpy/romfs",
    "commands/execute",
    "errors",
)


def pages() -> dict[str, str]:
    """Each page's name and text."""
    stubs = {name: ROOT / "insitu-stubs" / f"{name}.pyi" for name in _ON_DEVICE}
    sources = {name: ROOT / "host_tools" / "insitu" / f"{name}.py" for name in _ON_HOST}
    return {
        "device.md": _DEVICE.format(made=_MADE.format("[insitu-stubs/](../../insitu-stubs/)")) + python.modules(stubs),
        "host.md": _HOST.format(made=_MADE.format("the docstrings of `host_tools/insitu/`")) + python.modules(sources),
        "cli.md": _CLI.format(made=_MADE.format("what `insitu --help` says")) + commands.page(),
    }
