"""firmware/debian.py against an apt-get of this test's: what is pinned is checked, and says what is wrong."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_APT = """#!/bin/sh
for word; do case $word in
    indextargets) echo {site}; exit 0;;
    update) exit {update};;
    source) cp {archive} thing_1.0.orig.tar.gz; exit 0;;
esac; done
exit 100
"""


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_ROOT / "firmware"))
    import debian

    return debian


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """One folder with one file."""
    (tmp_path / "thing-1.0").mkdir()
    (tmp_path / "thing-1.0" / "a.c").write_text("int a;\n")
    with tarfile.open(tmp_path / "thing.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "thing-1.0", "thing-1.0")
    return tmp_path / "thing.tar.gz"


@pytest.fixture
def apt(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The apt-get on the path; to be written anew where it is to do something else."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "apt-get"
    script.write_text(_APT.format(site="http://mirror.invalid/debian", update=0, archive=archive))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return script


def _source(debian: ModuleType, sha256: str, **more: bool) -> object:
    return debian.Source("thing", "1.0", "thing_*.orig.tar.*", sha256, **more)


def test_the_pinned_archive_is_unpacked_once(debian: ModuleType, apt: Path, archive: Path, tmp_path: Path) -> None:
    source = _source(debian, hashlib.sha256(archive.read_bytes()).hexdigest())
    (tree,) = debian.fetch([source], tmp_path / "build")
    assert (tree / "a.c").read_text() == "int a;\n"
    apt.unlink()
    assert debian.fetch([source], tmp_path / "build") == [tree]


def test_another_archive_is_refused_and_nothing_is_left(debian: ModuleType, apt: Path, tmp_path: Path) -> None:
    with pytest.raises(debian.SetupError, match=r"thing_1.0.orig.tar.gz has SHA-256 [0-9a-f]{64}, expected 00 \(1.0\)"):
        debian.fetch([_source(debian, "00")], tmp_path / "build")
    assert not list((tmp_path / "build").iterdir())


def test_a_package_that_debian_updates_says_so_and_goes_on(
    debian: ModuleType, apt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree,) = debian.fetch([_source(debian, "00", updated=True)], tmp_path / "build")
    assert (tree / "a.c").exists()
    assert "expected 00 (1.0): Debian has updated it since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("site", "update", "text"),
    [
        ("http://mirror.invalid/debian", 100, "apt-get update for Debian's trixie failed"),
        ("http://mirror.invalid/other", 0, "no Debian archive in apt's configuration; set MICROPY_DIR"),
    ],
)
def test_what_apt_cannot_do_is_named(
    debian: ModuleType, apt: Path, archive: Path, tmp_path: Path, site: str, update: int, text: str
) -> None:
    apt.write_text(_APT.format(site=site, update=update, archive=archive))
    with pytest.raises(debian.SetupError, match=text):
        debian.fetch([_source(debian, "00")], tmp_path / "build")
