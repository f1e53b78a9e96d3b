"""How well a copy does: the findings, and a score from 0 to 100."""

import enum
import math
from collections import Counter
from dataclasses import dataclass

from .calls import Way, World
from .tally import STATX, WAKE_UP, Key, Tally

RULES = """\
The score begins with 100. What happens before the first directory is listed is start-up and costs
nothing; after it
  - each kind of path-based call costs 5 points, and all of them together 40 x calls / objects, at
    most 40. Path-based: resolved from the root or the working directory, or through several
    components (or '..') without RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS. On the ring and off it. A
    name that is exactly /proc/self/fd/N is shown, and costs nothing: for extended attributes of
    symlinks and special files the kernel has no other way before 6.13;
  - direct statx (stat, fstat, newfstatat, ...) costs 2 points and 20 x calls / objects, at most 20;
    the first look at each standard stream, which libc takes before it prints, is none;
  - direct fallocate costs 2 points and 10 x calls / files, at most 10;
  - statx per object other than one costs 20 x the distance from one, at least 1, at most 20.
    Objects are those of the source and those that the replica had before, with both roots, which
    may also be looked at during the start-up: two looks less are still one per object.
It is rounded down, so that 100 means: none of these."""

ROOTS = 2


class Level(enum.Enum):
    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    level: Level
    text: str


def statx_per_object(tally: Tally) -> float:
    looks = tally.on_ring(["statx"]) + tally.count(World.DIRECT, STATX)
    return looks / tally.objects


def path_based(tally: Tally) -> list[tuple[Key, int]]:
    return sorted(
        ((key, number) for key, number in tally.calls.items() if key.way == Way.PATH),
        key=lambda item: (-item[1], item[0].name),
    )


def score(tally: Tally) -> int:
    lost = _lost_by_paths(tally)
    if direct := tally.count(World.DIRECT, STATX):
        lost += min(20, 2 + 20 * direct / tally.objects)
    if direct := tally.count(World.DIRECT, ["fallocate"]):
        lost += min(10, 2 + 10 * direct / max(tally.files, 1))
    ratio = statx_per_object(tally)
    if not _is_one(tally):
        lost += min(20, max(1, 20 * abs(ratio - 1)))
    return max(0, math.floor(100 - lost))


def _lost_by_paths(tally: Tally) -> float:
    found = path_based(tally)
    calls = sum(number for _, number in found)
    return 5 * len(found) + min(40, 40 * calls / tally.objects)


def _is_one(tally: Tally) -> bool:
    looks = round(statx_per_object(tally) * tally.objects)
    return tally.objects - ROOTS <= looks <= tally.objects


def findings(tally: Tally) -> list[Finding]:
    found = [
        Finding(Level.CRITICAL, f"{number} x {key.name} by path ({key.world.value})")
        for key, number in path_based(tally)
    ]
    if direct := tally.count(World.DIRECT, STATX):
        found.append(Finding(Level.WARNING, f"{direct} direct calls of the statx family"))
    if direct := tally.count(World.DIRECT, ["fallocate"]):
        found.append(Finding(Level.WARNING, f"{direct} direct calls of fallocate"))
    if not _is_one(tally):
        found.append(
            Finding(Level.WARNING, f"{statx_per_object(tally):.3f} statx per object, not one")
        )
    return found


def check_counters(tally: Tally, program: dict | None) -> list[Finding]:
    """Compares the program's own counters with the kernel's trace events; `tally` includes the
    start-up. Both are of the same run, so that they have to agree to the last one."""
    if program is None:
        return [Finding(Level.WARNING, "the program told no counters of its own")]
    assert tally.submitted is not None
    found = []

    def expect(what: str, kernel: int, own: int) -> None:
        if kernel != own:
            text = f"counters disagree: {what}: {kernel} by the kernel, {own} by the program"
            found.append(Finding(Level.CRITICAL, text))

    expect("io_uring_enter", tally.enters or 0, program["enters"])
    own = Counter(program["by_opcode"])
    # Every request that completed, those submitted again, and the reads that wait for a wake-up.
    again = program["retries"] + program["wakes"]
    expect("operations", sum(tally.submitted.values()), program["operations"] + again)
    expect("wake-ups", tally.wake_ups, program["wakes"])
    surplus = tally.submitted - own
    for opcode, number in (own - tally.submitted).items():
        expect(f"{opcode}, missing from the trace", 0, number)
    surplus_total = sum(surplus.values())
    if surplus_total != again:
        expect("operations by kind, beyond the program's", surplus_total, again)
    return found


def check_passes(tally: Tally) -> list[Finding]:
    """The names come from another run than the numbers: says so where the two runs differed."""
    if tally.submitted is None:
        return []
    found = []
    seen = {key.name for key in tally.calls if key.world == World.RING}
    for opcode in sorted(seen | set(tally.submitted)):
        named, counted = tally.count(World.RING, [opcode]), tally.submitted[opcode]
        if opcode == WAKE_UP[0]:
            named, counted = named - tally.named_wake_ups, counted - tally.wake_ups
        if abs(named - counted) > max(5, counted // 50):
            text = f"two runs differed: {counted} x {opcode} on the ring, {named} with names seen"
            found.append(Finding(Level.WARNING, text))
    return found
