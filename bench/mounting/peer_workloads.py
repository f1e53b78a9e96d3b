"""What applications do in bench/peers. Each call is one of the application's own system calls."""

import contextlib
import os
import random
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.programs import ROOT

_KIB, _MIB = 1 << 10, 1 << 20
_FILE = 256 * _MIB
_WRITES, _READS, _SMALL, _ROWS = 20_000, 20_000, 3_000, 300


@dataclass(frozen=True)
class Material:
    archive: Path  # of the tree that is unpacked


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    run: Callable[[Path, Material], None]  # in the folder that is served
    prepare: Callable[[Path, Material], None] = lambda source, _: None  # the source, before
    warm: bool = False  # once before it is timed
    unit: str = ""  # what `amount` counts; none: seconds are told
    amount: int = 1


def _write_whole(name: str, block: int, total: int):
    def run(place: Path, _: Material) -> None:
        data = os.urandom(block)
        file = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for _number in range(total // block):
            os.write(file, data)
        os.close(file)

    return run


def _large_file(source: Path, _: Material) -> None:
    """Where a large file was written, the next may be expected to be large, too."""
    block = os.urandom(_MIB)
    with (source / "file").open("wb", buffering=0) as file:
        for _number in range(_FILE // _MIB):
            file.write(block)


def _rewrite(place: Path, _: Material) -> None:
    data = os.urandom(4 * _KIB)
    places = random.Random(1)
    file = os.open(place / "file", os.O_RDWR)
    for _number in range(_WRITES):
        os.pwrite(file, data, places.randrange(_FILE // len(data)) * len(data))
    os.close(file)


def _read(place: Path, _: Material) -> None:
    buffer = [bytearray(_MIB)]
    file = os.open(place / "file", os.O_RDONLY)
    for number in range(_FILE // _MIB):
        os.preadv(file, buffer, number * _MIB)
    os.close(file)


def _read_at_random(place: Path, _: Material) -> None:
    buffer = [bytearray(4 * _KIB)]
    places = random.Random(1)
    file = os.open(place / "file", os.O_RDONLY)
    for _number in range(_READS):
        os.preadv(file, buffer, places.randrange(_FILE // (4 * _KIB)) * 4 * _KIB)
    os.close(file)


def _names() -> Sequence[str]:
    return [f"file-{number}" for number in range(_SMALL)]


def _create(data: bytes):
    def run(place: Path, _: Material) -> None:
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        for name in _names():
            file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder)
            if data:
                os.write(file, data)
            os.close(file)
        os.close(folder)

    return run


def _on_each(action: Callable[[str, int], None]):
    def run(place: Path, _: Material) -> None:
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        for name in _names():
            action(name, folder)
        os.close(folder)

    return run


def _stat(name: str, folder: int) -> None:
    os.stat(name, dir_fd=folder)


def _open_and_read(name: str, folder: int) -> None:
    file = os.open(name, os.O_RDONLY, dir_fd=folder)
    os.read(file, 4 * _KIB)
    os.close(file)


def _rename(name: str, folder: int) -> None:
    os.rename(name, name + ".new", src_dir_fd=folder, dst_dir_fd=folder)


_small_files = _create(b"x" * 4 * _KIB)


def _untar(place: Path, material: Material) -> None:
    subprocess.run(["tar", "-xf", material.archive, "-C", place], check=True)


def _remove(place: Path, _: Material) -> None:
    subprocess.run(["rm", "-rf", "--", *place.iterdir()], check=True)


def _find(place: Path, _: Material) -> None:
    subprocess.run(["du", "-s", place], check=True, stdout=subprocess.DEVNULL)


def _clone(place: Path, _: Material) -> None:
    clone = str(place / "clone")
    subprocess.run(["git", "clone", "-q", "--no-local", f"file://{ROOT}", clone], check=True)
    subprocess.run(["git", "-C", clone, "status"], check=True, stdout=subprocess.DEVNULL)


def _build(place: Path, _: Material) -> None:
    for number in range(20):
        text = f"#include <string>\nstd::string f{number}() {{ return std::to_string({number}); }}"
        (place / f"unit{number}.cpp").write_text(text)
        unit = str(place / f"unit{number}")
        subprocess.run(["c++", "-c", f"{unit}.cpp", "-o", f"{unit}.o"], check=True)
    objects = [str(place / f"unit{number}.o") for number in range(20)]
    subprocess.run(["ar", "rc", str(place / "library.a"), *objects], check=True)


def _sqlite(journal: str):
    def run(place: Path, _: Material) -> None:
        with contextlib.closing(sqlite3.connect(place / "database", isolation_level=None)) as base:
            base.execute(f"pragma journal_mode={journal}")
            base.execute("pragma synchronous=full")
            base.execute("create table lines (number integer primary key, text)")
            for number in range(_ROWS):
                base.execute("insert into lines (text) values (?)", (f"{number:0100}",))

    return run


ALL = (
    Workload(
        "write 1 MiB",
        "a whole new file, beside a large one",
        _write_whole("new", _MIB, _FILE),
        _large_file,
        unit="MB",
        amount=_FILE // 1_000_000,
    ),
    Workload(
        "write 4 KiB",
        "a whole new file, beside a large one",
        _write_whole("new", 4 * _KIB, _FILE // 4),
        _large_file,
        unit="k",
        amount=_FILE // 4 // (4 * _KIB) // 1000,
    ),
    Workload(
        "rewrite 4 KiB",
        "at random, O_RDWR, in a file of 256 MiB",
        _rewrite,
        _large_file,
        unit="k",
        amount=_WRITES // 1000,
    ),
    Workload(
        "read 1 MiB",
        "a file of 256 MiB, not yet read through the mount",
        _read,
        _large_file,
        unit="MB",
        amount=_FILE // 1_000_000,
    ),
    Workload(
        "read 1 MiB again",
        "the same once more",
        _read,
        _large_file,
        warm=True,
        unit="MB",
        amount=_FILE // 1_000_000,
    ),
    Workload(
        "read 4 KiB",
        "at random, not yet read through the mount",
        _read_at_random,
        _large_file,
        unit="k",
        amount=_READS // 1000,
    ),
    Workload("create", f"and close {_SMALL} empty files", _create(b"")),
    Workload("create 4 KiB", f"and close {_SMALL} files of 4 KiB", _small_files),
    Workload("stat", f"{_SMALL} files", _on_each(_stat), _small_files),
    Workload("open and read", f"{_SMALL} files of 4 KiB", _on_each(_open_and_read), _small_files),
    Workload("rename", f"{_SMALL} files", _on_each(_rename), _small_files),
    Workload(
        "unlink",
        f"{_SMALL} files",
        _on_each(lambda name, folder: os.unlink(name, dir_fd=folder)),
        _small_files,
    ),
    Workload("untar", "unpacks the tree", _untar),
    Workload("rm -rf", "of the unpacked tree", _remove, _untar),
    Workload("du", "of the unpacked tree, not yet looked at", _find, _untar),
    Workload("du again", "the same once more", _find, _untar, warm=True),
    Workload("git", "clones this repository and asks for its status", _clone),
    Workload("build", "20 units of C++ and a library", _build),
    Workload("sqlite", f"{_ROWS} durable transactions", _sqlite("delete")),
    Workload("sqlite wal", f"{_ROWS} durable transactions", _sqlite("wal")),
)
