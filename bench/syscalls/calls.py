"""One request to the kernel, whether by system call or through io_uring, and how it names files."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

AT_FDCWD = -100
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08


class World(enum.Enum):
    DIRECT = "direct"
    RING = "ring"


class Way(enum.Enum):
    """How a call reaches the object it works on."""

    DESCRIPTOR = "by descriptor"
    PROC_FD = "through /proc/self/fd"
    PATH = "by path"


@dataclass(frozen=True)
class Name:
    """A name that a call resolves; `path` None where only the descriptor counts."""

    dirfd: int
    path: str | None
    directory: str | None = None  # where the descriptor leads, if that was recorded


@dataclass(frozen=True)
class Call:
    world: World
    name: str  # "openat2", for both worlds
    names: tuple[Name, ...] = ()
    descriptors: tuple[str, ...] = ()  # where the other descriptors lead, if that was recorded
    resolve: int = 0  # of openat2
    thread: int = 0
    user_data: int = 0  # ring only
    stream: int | None = None  # which standard stream it looks at, if it does
    unseen: bool = False  # its name could not be read

    def way(self) -> Way:
        ways = {_way_of(name, self.resolve) for name in self.names}
        for way in (Way.PATH, Way.PROC_FD):
            if way in ways:
                return way
        return Way.DESCRIPTOR

    def touched(self) -> Iterable[str]:
        """The absolute paths that this call has to do with, as far as they were recorded."""
        yield from self.descriptors
        for name in self.names:
            if name.path is None or name.path == "":
                if name.directory:
                    yield name.directory
            elif name.path.startswith("/"):
                yield name.path
            elif name.directory:
                yield f"{name.directory.rstrip('/')}/{name.path}"


# What a call on an O_PATH descriptor has to go through where the kernel has no other way.
_PROC_FD = re.compile(r"/proc/(self|thread-self|\d+)/fd/\d+")


def _way_of(name: Name, resolve: int) -> Way:
    path = name.path
    if path and _PROC_FD.fullmatch(path):
        return Way.PROC_FD
    if name.dirfd == AT_FDCWD:
        return Way.PATH
    if path is None:
        return Way.DESCRIPTOR
    if path.startswith("/"):
        return Way.PATH
    confined = resolve & RESOLVE_BENEATH and resolve & RESOLVE_NO_SYMLINKS
    # The directories on the way could be swapped for symlinks.
    climbs = "/" in path.rstrip("/") or path == ".."
    return Way.PATH if climbs and not confined else Way.DESCRIPTOR
