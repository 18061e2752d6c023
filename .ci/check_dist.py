"""Check what the wheel and the source archive hold: ``check_dist.py FOLDER``.

The wheel holds the library and nothing else. The source archive holds every file that is under
version control, so that it can be built and tested without the repository.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(folder: Path) -> None:
    """Check the one wheel and the one source archive in a folder."""
    (wheel,) = folder.glob("rawmmap-*.whl")
    (archive,) = folder.glob("rawmmap-*.tar.gz")
    kept = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    check_wheel(wheel, kept)
    check_archive(archive, kept)
    print(f"{wheel.name} and {archive.name} hold what they should")


def check_wheel(path: Path, kept: Iterable[str]) -> None:
    """Compare a wheel with the files of the library."""
    names = set(zipfile.ZipFile(path).namelist())
    info = "-".join(path.name.split("-")[:2]) + ".dist-info"
    library = {name.removeprefix("src/") for name in kept if name.startswith("src/")}
    notes = {
        f"{info}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    compare(path, names, library | notes)
    assert "rawmmap/py.typed" in names


def check_archive(path: Path, kept: Iterable[str]) -> None:
    """Compare a source archive with the files under version control."""
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    compare(path, names, {*kept, "PKG-INFO"})


def compare(path: Path, names: set[str], wanted: set[str]) -> None:
    """End with an error unless the names are those that are wanted."""
    missing, excess = sorted(wanted - names), sorted(names - wanted)
    if missing or excess:
        sys.exit(f"{path.name}: missing {missing}, not expected {excess}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
