"""What is copied while it is watched."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support import trees

SMALL_FILES, SMALL_DIRECTORIES = 2000, 20


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    make: Callable[[Path], Path]  # given a scratch folder, returns the source
    again: bool = False


def _attributes(scratch: Path) -> Path:
    trees.with_attributes(scratch / "source")
    return scratch / "source"


def _small(scratch: Path) -> Path:
    trees.small_files(scratch / "source", SMALL_FILES, SMALL_DIRECTORIES)
    return scratch / "source"


NAMED = {
    workload.name: workload
    for workload in (
        Workload("attributes", "5 files of 10 MB with extended attributes", _attributes),
        Workload(
            "small", f"{SMALL_FILES} files of 4 KiB in {SMALL_DIRECTORIES} directories", _small
        ),
        Workload("again", "the same, into a replica that is equal already", _small, again=True),
    )
}


def of_tree(tree: Path) -> Workload:
    if not tree.is_dir():
        raise NotADirectoryError(f"{tree} is no directory")
    return Workload(str(tree), f"the tree {tree}", lambda _: tree)
