"""What the passes over one workload found, added up."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from . import submissions, tracefs
from .calls import Call, Way, World

STATX = frozenset("stat lstat fstat newfstatat fstatat64 statx".split())
OPEN = frozenset("open creat openat openat2".split())
ENTER = "io_uring_enter"
# mirrorctl's ring gives this to the read that other threads wake it by, and to nothing else. How
# often it wakes is chance, so that two runs are compared without.
WAKE_UP = ("read", 0)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Key:
    world: World
    name: str
    way: Way


@dataclass
class Tally:
    objects: int  # of source and replica before the run, with both roots
    files: int  # of the source
    # By system call as strace saw them and by ring_watch's record.
    calls: Counter[Key] = field(default_factory=Counter)
    startup: Counter[Key] = field(default_factory=Counter)
    unseen: int = 0  # of calls after the start-up: those whose name could not be read
    # By trace events, in the run that nothing slowed down. None where they were not taken.
    enters: int | None = None
    submitted: Counter[str] | None = None
    wake_ups: int = 0
    named_wake_ups: int = 0  # the same in ring_watch's record
    startup_enters: int = 0
    startup_submitted: Counter[str] = field(default_factory=Counter)

    def count(
        self,
        world: World | None = None,
        names: Iterable[str] | None = None,
        way: Way | None = None,
    ) -> int:
        """Calls after the start-up."""
        return sum(
            number
            for key, number in self.calls.items()
            if (world is None or key.world == world)
            and (names is None or key.name in names)
            and (way is None or key.way == way)
        )

    def on_ring(self, names: Iterable[str] | None = None) -> int:
        """Operations on the ring after the start-up: by trace events where there are any."""
        if self.submitted is None:
            return self.count(World.RING, names)
        chosen = self.submitted.keys() if names is None else names
        return sum(self.submitted[name] for name in chosen)


def add_direct(tally: Tally, calls: Iterable[Call | str]) -> None:
    _add(tally, calls, lambda call: isinstance(call, Call) and call.name == "getdents64")


def add_submissions(tally: Tally, items: Iterable[Call | str]) -> None:
    _add(tally, items, lambda item: item == submissions.LISTING)


def _add(tally: Tally, items: Iterable[Item], ends_startup: Callable[[Item], bool]) -> None:
    counter = tally.startup
    streams: set[int] = set()
    for item in items:
        if ends_startup(item):
            counter = tally.calls
        if isinstance(item, Call):
            name = item.name
            if item.stream is not None and item.stream not in streams:
                # libc looks once at each stream that is printed to; no object of a tree is meant.
                streams.add(item.stream)
                name += " of a standard stream"
            counter[Key(item.world, name, item.way())] += 1
            tally.unseen += item.unseen and counter is tally.calls
            is_ring = item.world == World.RING
            tally.named_wake_ups += is_ring and (item.name, item.user_data) == WAKE_UP


def add_events(tally: Tally, events: Iterable[tracefs.Event]) -> None:
    tally.enters, tally.submitted = 0, Counter()
    started = False
    for event in events:
        if event.kind == tracefs.LISTING:
            started = True
        elif event.kind == tracefs.ENTER:
            tally.enters += started
            tally.startup_enters += not started
        else:
            (tally.submitted if started else tally.startup_submitted)[event.opcode] += 1
            tally.wake_ups += (event.opcode, event.user_data) == WAKE_UP


def include_startup(tally: Tally) -> Tally:
    """The same, with the start-up among the rest."""
    return Tally(
        tally.objects,
        tally.files,
        calls=tally.calls + tally.startup,
        unseen=tally.unseen,
        enters=None if tally.enters is None else tally.enters + tally.startup_enters,
        submitted=None if tally.submitted is None else tally.submitted + tally.startup_submitted,
        wake_ups=tally.wake_ups,
        named_wake_ups=tally.named_wake_ups,
    )
