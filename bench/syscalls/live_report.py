"""What was counted of a mirror at work, for a terminal and for programs."""

from collections.abc import Sequence

from .calls import World
from .live import LiveTally, Side

# What an entry is judged by: (key, label, direct calls of both sides together).
_JUDGED = (
    ("statx", "direct statx, fstat, …", ("statx",)),
    ("utimensat", "direct utimensat", ("utimensat",)),
    ("pwrite", "direct pwrite", ("pwrite64",)),
    (
        "xattr",
        "direct get- and listxattr",
        ("fgetxattr", "flistxattr", "getxattr", "listxattr", "lgetxattr", "llistxattr"),
    ),
)


def rows(tally: LiveTally) -> list[tuple[str, str, float]]:
    """(key for JSON, label, figure); all but the first are divided by the entries."""
    each = max(tally.entries, 1)
    out: list[tuple[str, str, float]] = [("entries", "entries", tally.entries)]
    out.append(("requests", "requests of the kernel", tally.requests.total() / each))
    for key, label, names in _JUDGED:
        out.append((key, f"{label}, both sides", tally.direct(names) / each))
        for side in (Side.HANDLERS, Side.ENGINE):
            out.append((f"{key}_{side.value}", f"… {side.value}", tally.direct(names, side) / each))
    for side in Side:
        label = f"all direct calls, {side.value}"
        out.append((f"direct_{side.value}", label, tally.total(World.DIRECT, side) / each))
    out.append(("ring_statx", "statx on the ring", tally.ring["statx"] / each))
    out.append(("operations", "operations on the ring", tally.total(World.RING) / each))
    out.append(("enters", "io_uring_enter of the engine", tally.enters / each))
    ratio = tally.total(World.RING) / max(tally.enters, 1)
    out.append(("operations_per_enter", "operations for each of them", ratio))
    return out


def text(tallies: Sequence[LiveTally]) -> str:
    table = [["for each entry", *(f"{tally.name}, {tally.transport}" for tally in tallies)]]
    columns = [rows(tally) for tally in tallies]
    for index, (key, label, _) in enumerate(columns[0]):
        figures = [column[index][2] for column in columns]
        shown = [f"{figure:,}" if key == "entries" else f"{figure:.2f}" for figure in figures]
        table.append([label, *shown])
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    out = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:]))]
        ).rstrip()
        for line in table
    ]
    for tally in tallies:
        out += ["", f"{tally.name}, {tally.transport}: the most frequent, in all"]
        out.append("  requests: " + _most(tally.requests))
        for side in Side:
            out.append(f"  {side.value}: " + _most(tally.calls.get(side, {})))
        out.append("  ring: " + _most(tally.ring))
    return "\n".join(out) + "\n"


def _most(counter, most: int = 16) -> str:
    kinds = sorted(counter.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {number:,}" for name, number in kinds) or "none"


def as_json(tallies: Sequence[LiveTally]) -> dict:
    return {
        "live": [
            {
                "name": tally.name,
                "transport": tally.transport,
                "rows": {key: round(figure, 4) for key, _, figure in rows(tally)},
                "requests": dict(tally.requests.most_common()),
                "calls": {
                    side.value: dict(counter.most_common()) for side, counter in tally.calls.items()
                },
                "bytes_by_pwrite": {side.value: size for side, size in tally.written.items()},
                "ring": dict(tally.ring.most_common()),
                "enters": tally.enters,
            }
            for tally in tallies
        ]
    }
