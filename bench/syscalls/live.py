"""What a mirror asks of the kernel while an application works in its mount: both sides of the daemon.

One run at full speed, seen by the kernel's trace events, which stop nobody: every system call of
every thread of the daemon, every operation that it puts on its ring, and every request that the
kernel sends it. Counting begins when the mirror is in sync and ends when it is so again.
"""

import enum
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from support import trees
from support.mirror import Mirror, offer_rings

from . import tracefs
from .calls import World
from .tally import ENTER, STATX

TRANSPORTS = ("dev", "uring")
# Of one entry: about a hundred calls on both sides, 100 bytes each; twice that for safety.
_BYTES_PER_ENTRY = 20_000
_LEAST_KIB = 32 << 10
_REQUEST_KIB = 32 << 10


class Side(enum.Enum):
    HANDLERS = "handlers"  # threads that serve the kernel's requests
    ENGINE = "engine"  # the thread of the ring, and its helpers
    REST = "rest"  # main, control socket, signals


@dataclass
class LiveTally:
    """Counts of one workload."""

    name: str
    transport: str
    entries: int  # that the workload changed: what everything is divided by
    calls: dict[Side, Counter[str]] = field(default_factory=dict)  # direct ones
    ring: Counter[str] = field(default_factory=Counter)  # by opcode, of the engine
    enters: int = 0  # of the engine
    requests: Counter[str] = field(default_factory=Counter)  # of FUSE
    written: dict[Side, int] = field(default_factory=dict)  # bytes, by pwrite64

    def direct(self, names: Iterable[str], side: Side | None = None) -> int:
        chosen = list(Side) if side is None else [side]
        return sum(self.calls.get(each, Counter())[name] for each in chosen for name in names)

    def total(self, world: World, side: Side | None = None) -> int:
        if world == World.RING:
            return self.ring.total()
        chosen = list(Side) if side is None else [side]
        return sum(self.calls.get(each, Counter()).total() for each in chosen)


@dataclass(frozen=True)
class LiveWorkload:
    name: str
    about: str
    prepare: Callable[[Path], None]  # fills the source before the mirror starts
    run: Callable[[Path, Path], None]  # archive, mount
    times: int = 1  # how often each entry of the tree is changed


def _untar(archive: Path, place: Path) -> None:
    subprocess.run(["tar", "-xf", archive, "-C", place], check=True)


def _nothing(_: Path) -> None:
    pass


def _remove(_: Path, place: Path) -> None:
    for path in list(place.iterdir()):
        subprocess.run(["rm", "-rf", "--", path], check=True)


LIVE = (
    LiveWorkload("untar", "unpacks the tree in the mount", _nothing, _untar),
    LiveWorkload("remove", "removes the unpacked tree", _nothing, _remove),
)


def analyse(programs: Path, tree: Path, scratch: Path, transport: str, keep: Path | None) -> list:
    """Both workloads one after the other, each in a mirror that is in sync before."""
    if transport == "uring":
        offer_rings()
    entries = trees.census(tree).objects - 1
    with tempfile.TemporaryDirectory(prefix="live.", dir=scratch) as folder:
        archive = Path(folder) / "archive"
        subprocess.run(["tar", "-cf", archive, "-C", tree, "."], check=True)
        return [
            _one(workload, programs, archive, Path(folder), transport, entries, keep)
            for workload in LIVE
        ]


def _one(
    workload: LiveWorkload,
    programs: Path,
    archive: Path,
    scratch: Path,
    transport: str,
    entries: int,
    keep: Path | None,
) -> LiveTally:
    place = scratch / workload.name
    place.mkdir()
    (place / "source").mkdir()
    if workload.name == "remove":
        _untar(archive, place / "source")
    traces = keep or scratch
    traces.mkdir(parents=True, exist_ok=True)
    calls = traces / f"live-{workload.name}-{transport}-calls.txt"
    requests = traces / f"live-{workload.name}-{transport}-requests.txt"
    kib = max(_LEAST_KIB, entries * _BYTES_PER_ENTRY // 1024)
    with (
        tracefs.mounted() as tracing,
        tracefs.Instance(tracing, kib) as of_daemon,
        tracefs.Instance(tracing, _REQUEST_KIB, "-fuse") as of_kernel,
    ):
        options = [f"--transport={transport}"]
        with Mirror(programs, place, options, begin=of_daemon.begin) as mirror:
            of_daemon.enable(tracefs.CALL, tracefs.SUBMIT)
            of_kernel.choose(tracefs.REQUEST, f"connection == {mirror.connection()}")
            of_kernel.enable(tracefs.REQUEST)
            of_kernel.record()
            of_daemon.record()
            workload.run(archive, mirror.mount)
            mirror.wait()
            of_daemon.pause()
            of_kernel.pause()
            mirror.expect_equal()
        of_daemon.save(calls)
        of_kernel.save(requests)
    tally = LiveTally(workload.name, transport, entries)
    with calls.open(errors="surrogateescape") as lines:
        add_calls(tally, list(tracefs.parse_calls(lines)))
    with requests.open(errors="surrogateescape") as lines:
        tally.requests.update(event.opcode for event in tracefs.parse_calls(lines))
    shutil.rmtree(place)
    return tally


def sides(events: Iterable[tracefs.Event]) -> dict[int, Side]:
    """Whose work each thread does. The engine's is the one that puts anything on a ring but the
    commands by which requests are taken; what libfuse starts has a name of its own."""
    found: dict[int, Side] = {}
    for event in events:
        if event.kind == tracefs.SUBMIT and event.opcode != "uring_cmd":
            found[event.thread] = Side.ENGINE
        elif event.name.startswith("fuse"):
            found.setdefault(event.thread, Side.HANDLERS)
        elif "helper" in event.name:
            found.setdefault(event.thread, Side.ENGINE)
        else:
            found.setdefault(event.thread, Side.REST)
    return found


def add_calls(tally: LiveTally, events: list[tracefs.Event]) -> None:
    whose = sides(events)
    tally.calls = {side: Counter() for side in Side}
    tally.written = {side: 0 for side in Side}
    for event in events:
        side = whose[event.thread]
        if event.kind == tracefs.SUBMIT:
            if side == Side.ENGINE:
                tally.ring[event.opcode] += 1
        elif event.opcode == ENTER:
            tally.enters += side == Side.ENGINE
        else:
            # Statistics of a file go by several names, which mean the same here.
            name = "statx" if event.opcode in STATX | {"newstat", "newfstat"} else event.opcode
            tally.calls[side][name] += 1
            if name == "pwrite64":
                tally.written[side] += event.size
