"""What bench/peers compares: the bare filesystem, mirrorfs, and filesystems of others."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.mirror import Mirror, MirrorFailed

_START, _END = 30, 120  # seconds


@dataclass(frozen=True)
class Served:
    """Where the application works, and who serves it."""

    folder: Path
    settle: Callable[[], None]  # until all of it is in the replica, if there is one
    check: Callable[[], None]  # the replica is equal
    replica: Path | None = None
    daemon: int | None = None  # its process


@dataclass(frozen=True)
class Subject:
    name: str
    about: str
    serve: Callable[[Path, Path], contextlib.AbstractContextManager[Served]]  # programs, place
    needs: str | None = None  # a program that may not be installed

    @property
    def missing(self) -> bool:
        return self.needs is not None and shutil.which(self.needs) is None


def _nothing() -> None:
    pass


@contextlib.contextmanager
def _native(_: Path, place: Path) -> Iterator[Served]:
    yield Served(place / "source", _nothing, _nothing)


def _mirror(options: Sequence[str]):
    @contextlib.contextmanager
    def serve(programs: Path, place: Path) -> Iterator[Served]:
        daemon: list[subprocess.Popen] = []

        def begin(command: list[str]) -> subprocess.Popen:
            daemon.append(subprocess.Popen(command))
            return daemon[0]

        with Mirror(programs, place, options, begin) as mirror:
            yield Served(
                mirror.mount, mirror.wait, mirror.expect_equal, mirror.replica, daemon[0].pid
            )

    return serve


def _other(command: Sequence[str]):
    """A filesystem that stays in the foreground and serves `source` at `mount`."""

    @contextlib.contextmanager
    def serve(_: Path, place: Path) -> Iterator[Served]:
        mount = place / "mount"
        mount.mkdir()
        with subprocess.Popen([*command, str(place / "source"), str(mount)]) as daemon:
            try:
                _until_mounted(mount, daemon)
                yield Served(mount, _nothing, _nothing, daemon=daemon.pid)
            finally:
                subprocess.run(["umount", mount], check=False, capture_output=True)
                try:
                    daemon.wait(_END)
                except subprocess.TimeoutExpired:
                    daemon.kill()

    return serve


def _until_mounted(mount: Path, daemon: subprocess.Popen) -> None:
    end = time.monotonic() + _START
    while not os.path.ismount(mount):
        if daemon.poll() is not None or time.monotonic() > end:
            raise MirrorFailed(f"{daemon.args!r} does not mount")
        time.sleep(0.01)


ALL = (
    Subject("native", "the filesystem itself", _native),
    Subject("mirrorfs", "as it comes: async, io=auto, transport=auto", _mirror([])),
    Subject("through", "mirrorfs --io=through", _mirror(["--io=through"])),
    Subject("uring", "mirrorfs --transport=uring", _mirror(["--transport=uring"])),
    Subject("dev", "mirrorfs --transport=dev", _mirror(["--transport=dev"])),
    Subject("fsync", "mirrorfs --mode=fsync", _mirror(["--mode=fsync"])),
    Subject("sync", "mirrorfs --mode=sync", _mirror(["--mode=sync"])),
    Subject("bindfs", "bindfs, no mirror", _other(["bindfs", "-f"]), "bindfs"),
    Subject(
        "mergerfs",
        "mergerfs, no mirror",
        _other(["mergerfs", "-f", "-o", "minfreespace=0"]),
        "mergerfs",
    ),
)
USUAL = ("native", "mirrorfs", "bindfs", "mergerfs")
