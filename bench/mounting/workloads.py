"""What an application does in the mount while it is timed."""

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20


@dataclass(frozen=True)
class Material:
    """What the workloads need, made once."""

    archive: Path  # of the tree to unpack
    scale: float  # of sizes and numbers


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    run: Callable[[Path, Material], None]  # a folder in the mount
    prepare: Callable[[Path, Material], None] = lambda place, material: None  # not timed


def _untar(place: Path, material: Material) -> None:
    subprocess.run(["tar", "-xf", material.archive, "-C", place], check=True)


def _remove(place: Path, _: Material) -> None:
    subprocess.run(["rm", "-rf", "--", *place.iterdir()], check=True)


def _write(place: Path, material: Material) -> None:
    block = os.urandom(_MIB)
    with (place / "large").open("wb", buffering=0) as file:
        for _ in range(round(512 * material.scale)):
            file.write(block)


def _create(place: Path, material: Material) -> None:
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    for number in range(round(10_000 * material.scale)):
        os.close(os.open(f"file-{number}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder))
    os.close(folder)


def _sqlite(place: Path, material: Material) -> None:
    with contextlib.closing(sqlite3.connect(place / "database", isolation_level=None)) as base:
        base.execute("create table if not exists lines (number integer primary key, text)")
        for number in range(round(500 * material.scale)):
            base.execute("insert into lines (text) values (?)", (f"{number:0100}",))


def _overwrite(place: Path, material: Material) -> None:
    with (place / "file").open("r+b", buffering=0) as file:
        for number in range(round(20_000 * material.scale)):
            file.seek(number * 4096 * 7 % (64 * _MIB))
            file.write(b"x" * 4096)


def _make_file(place: Path, _: Material) -> None:
    with (place / "file").open("wb") as file:
        file.truncate(64 * _MIB)


ALL = (
    Workload("untar", "unpacks the tree", _untar),
    Workload("remove", "rm -rf of the unpacked tree", _remove, prepare=_untar),
    Workload("write", "writes a file of 512 MiB in pieces of 1 MiB", _write),
    Workload("create", "creates and closes 10,000 empty files", _create),
    Workload("sqlite", "500 transactions of SQLite with its rollback journal", _sqlite),
    Workload("overwrite", "20,000 writes of 4 KiB in a file that is there", _overwrite, _make_file),
)
