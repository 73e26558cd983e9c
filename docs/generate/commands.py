"""Markdown of the command line, from click's own structure."""

from __future__ import annotations

import inspect

import click
from insitu.cli import cli
from insitu.cli.verbs import VERBS, load


def page() -> str:
    """Exit statuses, and every verb with its options, their defaults, and an example."""
    above = click.Context(cli, info_name="insitu", terminal_width=100, **cli.context_settings)
    statuses = inspect.cleandoc(cli.epilog or "").replace("\b\n", "").replace("status:\n", "status:\n\n")
    commands = {name: load(name) for name in VERBS}
    parts = [_verb(command, click.Context(command, above, name)) for name, command in commands.items()]
    return "\n" + "\n".join([f"{statuses}\n", *parts])


def _verb(command: click.Command, context: click.Context) -> str:
    records = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    rows = ["| `{}` | {} |".format(*(part.replace("|", "\\|") for part in record)) for record in records]
    parts = [
        f"## `{context.command_path}`",
        f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```",
        inspect.cleandoc(command.help or ""),
        "\n".join(["| | |", "|---|---|", *rows]),
        f"```console\n$ {(command.epilog or '').removeprefix('Example: ')}\n...\n```",
    ]
    return "\n\n".join(parts) + "\n"
