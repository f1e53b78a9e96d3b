"""Medians, and ratios of the two builds."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from .measuring import Run


@dataclass(frozen=True)
class Line:
    transport: str
    workload: str
    build: str
    runs: int
    wall: float  # medians, seconds
    converged: float
    daemon: float
    spread: float  # (slowest - fastest) / median of wall
    ratio: float | None  # of wall to that of the last build: the median of neighbours' ratios
    ratio_converged: float | None


def lines(runs: Sequence[Run]) -> list[Line]:
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.transport, run.workload, run.build), []).append(run)
    builds = sorted({run.build for run in runs})
    works = list(dict.fromkeys(key[:2] for key in groups))
    return [
        _line(groups[(*work, build)], groups[(*work, builds[-1])], build == builds[-1])
        for work in works
        for build in builds
    ]


def _line(ours: Sequence[Run], others: Sequence[Run], reference: bool) -> Line:
    walls = [run.wall for run in ours]
    wall = statistics.median(walls)
    return Line(
        ours[0].transport,
        ours[0].workload,
        ours[0].build,
        len(ours),
        wall,
        statistics.median(run.converged for run in ours),
        statistics.median(run.daemon for run in ours),
        (max(walls) - min(walls)) / wall,
        None if reference else _ratio(ours, others, "wall"),
        None if reference else _ratio(ours, others, "converged"),
    )


def _ratio(ours: Sequence[Run], others: Sequence[Run], figure: str) -> float:
    """Of runs that were neighbours, so that a machine that is busy for a while does no harm."""
    theirs = {run.round: getattr(run, figure) for run in others}
    return statistics.median(
        getattr(run, figure) / theirs[run.round] for run in ours if run.round in theirs
    )


def table(found: Sequence[Line]) -> str:
    head = ["transport", "workload", "build", "wall s", "ratio", "converged s", "ratio", "daemon s"]
    cells = [[*head, "runs", "spread"]]
    for line in found:
        cells.append(
            [
                line.transport,
                line.workload,
                line.build,
                f"{line.wall:.3f}",
                _times(line.ratio),
                f"{line.converged:.3f}",
                _times(line.ratio_converged),
                f"{line.daemon:.2f}",
                str(line.runs),
                f"{line.spread:.0%}",
            ]
        )
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    out = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |" for row in cells]
    out.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(out) + "\n"


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def as_json(found: Sequence[Line], runs: Sequence[Run]) -> dict:
    return {"medians": [asdict(line) for line in found], "runs": [run.as_json() for run in runs]}
