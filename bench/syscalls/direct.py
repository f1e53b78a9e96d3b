"""Reads what strace wrote: every direct system call of a program and of its children."""

import re
from collections.abc import Iterable, Iterator

from .calls import AT_FDCWD, Call, Name, World
from .text import split_arguments, unquote

# Where the arguments of path-taking calls are: (descriptor, path); None: there is no descriptor,
# the name is resolved from the root or the working directory. A symlink's target is not resolved.
_CWD = None
_PATHS: dict[str, tuple[tuple[int | None, int], ...]] = {
    **dict.fromkeys(
        (
            "access acct chdir chmod chown chroot creat execve getxattr lchown lgetxattr listxattr "
            "llistxattr lremovexattr lsetxattr lstat mkdir mknod open readlink removexattr rmdir "
            "setxattr stat statfs truncate unlink uselib utime utimes umount2"
        ).split(),
        ((_CWD, 0),),
    ),
    **dict.fromkeys(
        (
            "execveat faccessat faccessat2 fchmodat fchmodat2 fchownat futimesat getxattrat "
            "listxattrat mkdirat mknodat name_to_handle_at newfstatat open_tree openat openat2 "
            "readlinkat removexattrat setxattrat statx unlinkat utimensat"
        ).split(),
        ((0, 1),),
    ),
    **dict.fromkeys(("link", "rename"), ((_CWD, 0), (_CWD, 1))),
    **dict.fromkeys(("linkat", "renameat", "renameat2"), ((0, 1), (2, 3))),
    "symlink": ((_CWD, 1),),
    "symlinkat": ((1, 2),),
    "inotify_add_watch": ((_CWD, 1),),
    "fanotify_mark": ((3, 4),),
    "mount": ((_CWD, 1),),
}

# Newer than many an strace, which then shows numbers only: no name can be seen, but whether there
# is a descriptor to start from. Numbers are the same on all architectures from 424 on.
_UNKNOWN = re.compile(r"syscall_(0x[0-9a-f]+)")
_NEWER = {
    463: "setxattrat",
    464: "getxattrat",
    465: "listxattrat",
    466: "removexattrat",
    467: "open_tree_attr",
    468: "file_getattr",
    469: "file_setattr",
}
_UNSEEN_CWD = frozenset({"0xffffff9c", "0xffffffffffffff9c"})  # AT_FDCWD, as int and as long

_LINE = re.compile(r"(\d+)\s+(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\)\s+= ", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_DESCRIPTOR = re.compile(r"(AT_FDCWD|-?\d+)(?:<(.*?)>)?", re.DOTALL)
_RESOLVE = {"RESOLVE_NO_SYMLINKS": 0x04, "RESOLVE_BENEATH": 0x08}


class BadTrace(Exception):
    """The trace is not what it should be; nothing may be concluded from it."""


def parse(lines: Iterable[str]) -> Iterator[Call]:
    """Yields the calls in the order in which they ended. Raises BadTrace for lines that are no
    calls."""
    begun: dict[str, str] = {}
    for number, raw in enumerate(lines, 1):
        line = _LINE.fullmatch(raw.rstrip("\n"))
        if not line:
            raise BadTrace(f"line {number} of the strace output is no system call: {raw!r}")
        thread, text = line.groups()
        if text.startswith(("+++", "---")):
            begun.pop(thread, None)
            continue
        if text.endswith(_UNFINISHED):
            # All that is looked at stands there already, but where the kernel fills it in.
            begun[thread] = text.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.fullmatch(text):
            text = begun.pop(thread, f"{resumed[1]}(") + resumed[2]
        yield _call(int(thread), text, number)


def _call(thread: int, text: str, number: int) -> Call:
    found = _CALL.match(text) or re.match(r"(\w+)\((.*)", text, re.DOTALL)  # exit_group has no end
    if not found:
        raise BadTrace(f"line {number} of the strace output is no system call: {text!r}")
    name = found[1]
    arguments = split_arguments(found[2])
    if unknown := _UNKNOWN.fullmatch(name):
        return _unseen(thread, int(unknown[1], 16), arguments)
    names = tuple(_name(arguments, *where) for where in _PATHS.get(name, ()))
    at = {index for where in _PATHS.get(name, ()) for index in where}
    others = (
        match[2]
        for index, argument in enumerate(arguments)
        if index not in at and (match := _DESCRIPTOR.fullmatch(argument)) and match[2]
    )
    resolve = 0
    if name == "openat2" and len(arguments) > 2:
        resolve = sum(bit for flag, bit in _RESOLVE.items() if flag in arguments[2])
    stream = _stream(name, names, arguments)
    return Call(World.DIRECT, name, names, tuple(others), resolve, thread, stream=stream)


def _stream(name: str, names: tuple[Name, ...], arguments: list[str]) -> int | None:
    """The descriptor, where the call looks at standard input, output or error."""
    if name not in ("fstat", "newfstatat", "statx") or not arguments:
        return None
    found = _DESCRIPTOR.fullmatch(arguments[0])
    is_stream = found is not None and found[1] in ("0", "1", "2")
    by_name = any(used.path for used in names)
    return int(found[1]) if found and is_stream and not by_name else None


def _unseen(thread: int, number: int, arguments: list[str]) -> Call:
    name = _NEWER.get(number)
    if name is None:
        return Call(World.DIRECT, f"syscall_{number}", thread=thread)
    dirfd = AT_FDCWD if arguments[0] in _UNSEEN_CWD else int(arguments[0], 0)
    return Call(World.DIRECT, name, (Name(dirfd, None),), thread=thread, unseen=True)


def _name(arguments: list[str], descriptor: int | None, path: int) -> Name:
    text = unquote(arguments[path]) if path < len(arguments) else None
    if descriptor is None:
        return Name(AT_FDCWD, text)
    found = _DESCRIPTOR.fullmatch(arguments[descriptor]) if descriptor < len(arguments) else None
    if not found:
        return Name(AT_FDCWD, text)
    dirfd = AT_FDCWD if found[1] == "AT_FDCWD" else int(found[1])
    return Name(dirfd, text, found[2])
