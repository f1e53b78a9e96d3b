"""The table: what is counted, under which label, and which way is better."""

from dataclasses import dataclass

from .calls import Way, World
from .score import path_based, score, statx_per_object
from .tally import ENTER, OPEN, STATX, Tally

_FAMILIES = {
    "chmod": frozenset("chmod fchmod fchmodat fchmodat2".split()),
    "chown": frozenset("chown fchown fchownat lchown".split()),
    "utimes": frozenset("futimesat utime utimensat utimes".split()),
    "xattr": frozenset(
        f"{before}{call}xattr{after}"
        for call in ("get", "set", "list", "remove")
        for before, after in (("", ""), ("f", ""), ("l", ""), ("", "at"))
    ),
}


@dataclass(frozen=True)
class Row:
    key: str  # for JSON; never changes
    label: str
    value: float | None  # None: not measured
    worse: str = "more"  # "more", "less", or "" where neither is
    timing: bool = False  # depends on how fast the machine was at the moment

    def text(self) -> str:
        if self.value is None:
            return "–"
        if isinstance(self.value, int):
            return f"{self.value:,}"
        return f"{self.value:.2f}"


def rows_of(tally: Tally) -> list[Row]:
    return [
        Row("score", "score", score(tally), worse="less"),
        *_totals(tally),
        *_statx(tally),
        *_opens(tally),
        Row("fallocate_ring", "fallocate, ring", tally.on_ring(["fallocate"]), worse=""),
        Row("fallocate_direct", "fallocate, direct", tally.count(World.DIRECT, ["fallocate"])),
        *_attributes(tally),
        *_paths(tally),
    ]


def _totals(tally: Tally) -> list[Row]:
    operations = tally.on_ring()
    direct = tally.count(World.DIRECT) - tally.count(World.DIRECT, [ENTER])
    enters = tally.enters
    per_file = None if enters is None else enters / max(tally.files, 1)
    calls = None if enters is None else direct + enters
    return [
        Row("objects", "objects", tally.objects, worse=""),
        Row("calls", "system calls", calls, timing=True),
        Row("direct", "… other than io_uring_enter", direct, timing=True),
        Row("enters", "io_uring_enter", enters, timing=True),
        Row("enters_per_file", "io_uring_enter per file", per_file, timing=True),
        Row("operations", "operations on the ring", operations),
        Row(
            "operations_per_enter",
            "operations per io_uring_enter",
            operations / enters if enters else None,
            worse="less",
            timing=True,
        ),
    ]


def _statx(tally: Tally) -> list[Row]:
    return [
        Row("statx_per_object", "statx per object", round(statx_per_object(tally), 4)),
        Row("statx_ring", "statx, ring", tally.on_ring(["statx"]), worse=""),
        Row("statx_direct", "statx (stat, fstat, …), direct", tally.count(World.DIRECT, STATX)),
        Row("statx_path", "statx by path", tally.count(None, STATX, Way.PATH)),
    ]


def _opens(tally: Tally) -> list[Row]:
    return [
        Row(
            f"open_{world.value}_{'path' if way == Way.PATH else 'descriptor'}",
            f"openat2, openat {way.value}, {world.value}",
            tally.count(world, OPEN, way),
        )
        for world in (World.RING, World.DIRECT)
        for way in (Way.DESCRIPTOR, Way.PATH)
    ]


def _attributes(tally: Tally) -> list[Row]:
    return [
        Row(f"{family}_{key}", f"{family} {way.value}", tally.count(None, names, way))
        for family, names in _FAMILIES.items()
        for key, way in (("descriptor", Way.DESCRIPTOR), ("path", Way.PATH))
    ]


def _paths(tally: Tally) -> list[Row]:
    shown = STATX | OPEN | frozenset().union(*_FAMILIES.values())
    others = [
        Row(f"path_{key.name}_{key.world.value}", f"{key.name} by path, {key.world.value}", number)
        for key, number in path_based(tally)
        if key.name not in shown
    ]
    startup = sum(number for key, number in tally.startup.items() if key.way == Way.PATH)
    return [
        *others,
        Row("paths", "path-based, all", sum(number for _, number in path_based(tally))),
        Row("proc_fd", "through /proc/self/fd/N", tally.count(None, None, Way.PROC_FD)),
        Row("unseen", "by descriptor, name unknown to strace", tally.unseen, worse=""),
        Row("startup_paths", "path-based during the start-up", startup, worse=""),
    ]
