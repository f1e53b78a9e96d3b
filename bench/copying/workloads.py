"""What is copied."""

import enum
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support import trees

GIB = 1 << 30


class Start(enum.Enum):
    """The replica before each run."""

    EMPTY = "empty"
    EQUAL = "equal to the source"
    OUTDATED = "equal to the source but for one file in a thousand"


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    make: Callable[[Path, float], None]  # a new folder, the scale
    start: Start = Start.EMPTY
    holes: bool = False


def _small(root: Path, scale: float) -> None:
    trees.small_files(root, files=_scaled(20_000, scale), directories=_scaled(200, scale))


def _share(root: Path, scale: float) -> None:
    del scale  # it is what it is
    subprocess.run(["cp", "-a", "/usr/share/.", root], check=True)


def _scaled(number: int, scale: float) -> int:
    return max(1, round(number * scale))


def objects(root: Path, number: int) -> None:
    """So many objects with little in them: what counts is how many they are."""
    directories = max(1, number // 1000)
    trees.small_files(root, files=number - directories, directories=directories, size=100)


ALL = (
    Workload("small", "20,000 files of 4 KiB in 200 directories", _small),
    Workload(
        "medium",
        "5 files of 10 MB with extended attributes",
        lambda root, scale: trees.with_attributes(root, size=_scaled(10_000_000, scale)),
    ),
    Workload(
        "large", "one file of 1 GiB", lambda root, scale: trees.one_large(root, _scaled(GIB, scale))
    ),
    Workload("share", "the tree /usr/share", _share),
    Workload("idle", "20,000 small files, nothing to do", _small, Start.EQUAL),
    Workload("changed", "20,000 small files, one in 1,000 changed", _small, Start.OUTDATED),
    Workload(
        "hardlinks",
        "20,000 names, every second a hard link",
        lambda root, scale: trees.hardlinks(root, _scaled(20_000, scale), _scaled(200, scale)),
    ),
    Workload(
        "sparse",
        "a file of 100 GB with 100 pieces of 64 KiB",
        lambda root, scale: trees.sparse(root, _scaled(100_000_000_000, scale)),
        holes=True,
    ),
)
