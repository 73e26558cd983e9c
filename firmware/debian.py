"""Sources from Debian's archive: pinned, by apt, from the mirror that this machine's own apt uses.

Standard library only: runs before .venv is.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import SetupError

SUITE = "trixie"  # Debian's stable release that has these versions


@dataclass(frozen=True, slots=True)
class Source:
    """A package of a suite of Debian's.

    Attributes:
        archive: pattern of the file that apt fetches: a source package's original archive, or a binary package.
        sha256: of the pinned version's file.
        folder: of a binary package, the part that is wanted; "": an archive with one folder in it.
        updated: Debian updates this package within a stable release, so that another version is no error.
    """

    name: str
    version: str
    archive: str
    sha256: str
    folder: str = ""
    updated: bool = False
    suite: str = SUITE

    @property
    def is_binary(self) -> bool:
        return self.archive.endswith(".deb")


def mirror() -> str:
    """The main archive's URI in this machine's apt configuration."""
    if not shutil.which("apt-get"):
        raise SetupError("sources come from Debian, by apt-get: elsewhere set MICROPY_DIR to a MicroPython checkout")
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    sites = [line for line in listing.stdout.split() if line.rstrip("/").endswith("/debian")]
    if not sites:
        raise SetupError("no Debian archive in apt's configuration; set MICROPY_DIR to a MicroPython checkout")
    return sites[0]


def fetch(sources: list[Source], folder: Path) -> list[Path]:
    """folder/NAME-VERSION of each with its files, fetched and unpacked if it is not there. Raises SetupError."""
    trees = {source: folder / f"{source.name}-{source.version}" for source in sources}
    missing = [source for source, tree in trees.items() if not tree.is_dir()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with _apt({source.suite for source in missing}) as apt:
            for source in missing:
                with tempfile.TemporaryDirectory(dir=folder) as name:
                    archive = _download(apt, source, Path(name))
                    _unpack(source, archive, Path(name) / "unpacked").rename(trees[source])
    return list(trees.values())


def _download(apt: list[str], source: Source, folder: Path) -> Path:
    if source.is_binary:
        command = [*apt, "download", source.name]
    else:
        command = [*apt, "source", "--download-only", f"{source.name}/{source.suite}"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise SetupError(f"apt-get cannot fetch {source.name} of {source.suite}; its words are above")
    found = [path for path in folder.glob(source.archive) if path.suffix != ".asc"]
    if len(found) != 1:
        raise SetupError(f"expected one file {source.archive}, apt fetched {[path.name for path in found]}")
    _check(source, found[0])
    return found[0]


@contextlib.contextmanager
def _apt(suites: set[str]) -> Iterator[list[str]]:
    """apt-get with a sources list and a cache of our own; apt checks the signatures."""
    with tempfile.TemporaryDirectory(prefix="insitu-apt-") as name:
        private = Path(name)
        for folder in ("lists/partial", "cache/archives/partial"):
            (private / folder).mkdir(parents=True)
        sources = private / "sources.list"
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        signed = f"[signed-by={keyring}] " if keyring.exists() else ""
        kinds = ("deb", "deb-src")
        lines = [f"{kind} {signed}{mirror()} {suite} main\n" for suite in sorted(suites) for kind in kinds]
        sources.write_text("".join(lines))
        command = [
            "apt-get",
            f"-oDir::Etc::SourceList={sources}",
            "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={private / 'lists'}",
            f"-oDir::Cache={private / 'cache'}",
            "-oAPT::Sandbox::User=root",
            "-qq",
        ]
        if subprocess.run([*command, "update"], check=False).returncode:
            raise SetupError(f"apt-get update for Debian's {', '.join(sorted(suites))} failed; its words are above")
        yield command


def _check(source: Source, archive: Path) -> None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest == source.sha256:
        return
    said = f"{archive.name} has SHA-256 {digest}, expected {source.sha256} ({source.version})"
    if not source.updated:
        raise SetupError(said)
    print(f"setup: {said}: Debian has updated it since, its signature is right, going on", file=sys.stderr)


def _unpack(source: Source, archive: Path, folder: Path) -> Path:
    if source.is_binary:
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)
        return folder / source.folder
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (inner,) = folder.iterdir()
    return inner
