"""Any value of any field of a board's or chip's file, replaced by one of another type, is named in one line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from insitu.board import boards
from insitu.board.table import BoardError
from insitu.commands.boards import row

_OTHERS: tuple[Any, ...] = (5, -1, 1.5, True, "x", "", [], [5], [["x"]], {}, {"x": 5}, "1979-05-27", float("nan"))


def _text(value: Any) -> str:
    """A value as TOML; tables are written inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_text(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return "nan" if value != value else json.dumps(value)


def _places(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from _places(value, (*path, key))


def _changed(table: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = place
    return {**table, first: _changed(table[first], tuple(rest), value) if rest else value}


def _written(table: dict[str, Any], path: Path) -> None:
    path.write_text("".join(f"{key} = {_text(value)}\n" for key, value in table.items()))


@pytest.mark.parametrize("name", ["qemu_stm32f405", "rpi_pico", "pybv11", "adafruit_feather_m4", "esp32s3"])
def test_board(name: str, tmp_path: Path) -> None:
    table, refused = tomllib.loads((boards.FOLDER / f"{name}.toml").read_text()), 0
    path = tmp_path / "mine.toml"
    for place in _places(table):
        for value in _OTHERS:
            _written(_changed(table, place, value), path)
            refused += _is_refused(path)
    assert refused > 10 * len(table)


@pytest.mark.parametrize("name", ["stm32f405", "rp2040"])
def test_chip(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, refused = tomllib.loads((boards.CHIPS / f"{name}.toml").read_text()), 0
    board = "pybv11" if name == "stm32f405" else "rpi_pico"
    monkeypatch.setattr(boards, "CHIPS", tmp_path)
    for place in _places(table):
        for value in _OTHERS:
            _written(_changed(table, place, value), tmp_path / f"{name}.toml")
            refused += _is_refused(boards.FOLDER / f"{board}.toml")
    assert refused > 10 * len(table)


def _is_refused(path: Path) -> bool:
    """Any exception but BoardError comes through."""
    try:
        row(boards.load_board(str(path)))
    except BoardError as error:
        assert "\n" not in str(error)
        return True
    return False
