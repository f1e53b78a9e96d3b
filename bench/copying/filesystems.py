"""Filesystems of our own to copy on, gone when we are done."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAMES = ("tmpfs", "ext4", "xfs", "btrfs")
USUAL = NAMES[:2]  # measured unless others are named
# ext4: all of it at once; the kernel would go on with it while we measure.
_OPTIONS = {"ext4": ("-F", "-E", "lazy_itable_init=0,lazy_journal_init=0")}


@contextlib.contextmanager
def made(kind: str, size: int, images: Path) -> Iterator[Path]:
    """Mounts a new filesystem of `size` bytes. Images of block devices lie in `images`."""
    with tempfile.TemporaryDirectory(prefix="copy.", dir=images) as folder:
        place = Path(folder) / "mount"
        place.mkdir()
        if kind == "tmpfs":
            _call("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "bench", place)
        else:
            image = Path(folder) / "image"
            with image.open("wb") as file:
                file.truncate(size)
            _call(f"mkfs.{kind}", "-q", *_OPTIONS.get(kind, ()), image)
            _call("mount", "-o", "loop", image, place)
        try:
            yield place
        finally:
            _call("umount", place)


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True)
