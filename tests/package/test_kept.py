"""The package that was made for a board is kept, and made anew for another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from insitu.aot import cache
from insitu.board.boards import load_board
from insitu.package import compile as package


def test_a_package_is_made_once_for_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, made = load_board("rpi_pico"), []

    def noted(one: object) -> dict[str, bytes]:
        made.append(one)
        return {"a.mpy": b"M\6\0", "flash.py": b"PLACE = (0, 0, 1)"}

    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    monkeypatch.setattr(package, "_compiled", noted)
    first = package.compiled(board)
    assert first == package.compiled(board) == noted(None)
    other = replace(board, image=replace(board.image, address=board.image.address + 4096))
    assert package.compiled(other) == first
    assert made == [board, None, other]
