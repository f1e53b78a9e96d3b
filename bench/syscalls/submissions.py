"""Reads what ring_watch wrote: every operation that a program handed to io_uring, with names."""

import re
from collections.abc import Iterable, Iterator

from .calls import Call, Name, World
from .direct import BadTrace
from .text import unquote

_STRING = r'(?:"(?:[^"\\]|\\.)*"|NULL)'
_LINE = re.compile(r"(\d+) ([A-Z]\w*) user_data=(\w+)(.*)")
_FIELD = re.compile(rf"(\w+)=({_STRING}|-?\w+)(?:<({_STRING})>)?")
LISTING = "getdents64"


def parse(lines: Iterable[str]) -> Iterator[Call | str]:
    """Yields the operations in order, and LISTING where the first directory was listed. Raises
    BadTrace where the record has no end."""
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("exit "):
            return
        if line.endswith(" " + LISTING):
            yield LISTING
        elif found := _LINE.fullmatch(line):
            yield _operation(*found.groups())
        elif not line.endswith(" setup"):
            raise BadTrace(f"not a line of ring_watch: {line!r}")
    raise BadTrace("the record of ring_watch ends too early")


def _operation(thread: str, name: str, user_data: str, rest: str) -> Call:
    names: list[Name] = []
    descriptors: list[str] = []
    resolve = 0
    dirfd, directory = 0, None
    for key, value, where in _FIELD.findall(rest):
        leads_to = unquote(where) if where else None
        if key == "dirfd":
            dirfd, directory = int(value), leads_to
        elif key == "path":
            names.append(Name(dirfd, unquote(value), directory))
        elif key == "fd" and leads_to:
            descriptors.append(leads_to)
        elif key == "resolve":
            resolve = int(value, 0)
    return Call(
        World.RING,
        name.lower(),
        tuple(names),
        tuple(descriptors),
        resolve,
        int(thread),
        int(user_data, 0),
    )
