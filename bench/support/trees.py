"""Trees to copy, made the same way every time."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

KIB = 1 << 10
MIB = 1 << 20
_SEED = 20250101
_EPOCH_NS = 1_600_000_000_123_456_789


@dataclass(frozen=True)
class Census:
    """What a tree consists of; the root itself is an object."""

    objects: int
    files: int


def census(root: Path) -> Census:
    objects, files = 1, 0
    pending = [os.fspath(root)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                objects += 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    files += 1
    return Census(objects, files)


def _content(size: int, seed: int) -> bytes:
    return random.Random(_SEED + seed).randbytes(size)


def with_attributes(root: Path, files: int = 5, size: int = 10_000_000) -> None:
    """Large files that differ in mode and times and have extended attributes."""
    root.mkdir()
    for number in range(files):
        path = root / f"file-{number}"
        path.write_bytes(_content(size, number))
        path.chmod(0o600 + number)
        os.setxattr(path, "user.origin", f"file {number}".encode())
        os.utime(path, ns=(_EPOCH_NS, _EPOCH_NS + number))


def small_files(root: Path, files: int, directories: int, size: int = 4 * KIB) -> None:
    """Files of one size, spread evenly."""
    root.mkdir()
    pool = _content(size + files, 0)
    for directory in range(directories):
        path = root / f"dir-{directory:04}"
        path.mkdir()
        for number in range(directory, files, directories):
            (path / f"file-{number:07}").write_bytes(pool[number : number + size])


def one_large(root: Path, size: int) -> None:
    root.mkdir()
    block = _content(8 * MIB, 0)
    with (root / "large").open("wb") as file:
        for begin in range(0, size, len(block)):
            file.write(block[: size - begin])


def hardlinks(root: Path, names: int, directories: int, size: int = 4 * KIB) -> None:
    """Every second name is a further one of the file before it, in another directory."""
    root.mkdir()
    paths = [root / f"dir-{number:04}" for number in range(directories)]
    for path in paths:
        path.mkdir()
    for number in range(0, names, 2):
        first = paths[number // 2 % directories] / f"file-{number:07}"
        first.write_bytes(_content(size, number))
        os.link(first, paths[(number // 2 + 1) % directories] / f"link-{number + 1:07}")


def sparse(root: Path, size: int, pieces: int = 100) -> None:
    """A file with a little data at even distances, the first at the beginning."""
    root.mkdir()
    with (root / "sparse").open("wb") as file:
        for piece in range(pieces):
            file.seek(size // pieces * piece // (64 * KIB) * (64 * KIB))
            file.write(_content(64 * KIB, piece))
        file.truncate(size)


def change_some(root: Path, one_in: int) -> int:
    """Gives one file in so many new content of the same size; returns how many."""
    changed = 0
    for number, path in enumerate(sorted(path for path in root.rglob("*") if path.is_file())):
        if number % one_in == 0:
            path.write_bytes(_content(path.stat().st_size, number + 1_000_000))
            changed += 1
    return changed
