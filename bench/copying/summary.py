"""Medians and ratios."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .measuring import Run


@dataclass(frozen=True)
class Median:
    filesystem: str
    workload: str
    tool: str
    runs: int
    wall: float
    durable: float  # wall and sync together
    cpu: float  # user and system
    machine: float
    peak_mib: float
    spread: float  # (slowest - fastest) / median of wall


def medians(runs: Sequence[Run]) -> list[Median]:
    """In the order of the runs, but mirrorctl before the other tools."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.filesystem, run.workload, run.tool), []).append(run)
    works = list(dict.fromkeys((filesystem, workload) for filesystem, workload, _ in groups))

    def place(key: tuple[str, str, str]) -> tuple[int, bool, str]:
        return works.index(key[:2]), "mirrorctl" not in key[2], key[2]

    return [_median(key, groups[key]) for key in sorted(groups, key=place)]


def _median(key: tuple[str, str, str], group: list[Run]) -> Median:
    walls = [run.wall for run in group]
    wall = statistics.median(walls)
    return Median(
        *key,
        runs=len(group),
        wall=wall,
        durable=statistics.median(run.wall + run.sync for run in group),
        cpu=statistics.median(run.user + run.system for run in group),
        machine=statistics.median(run.machine for run in group),
        peak_mib=statistics.median(run.peak_kib for run in group) / 1024,
        spread=(max(walls) - min(walls)) / wall,
    )


def ratio(found: Sequence[Median], of: Median, tool: str) -> float | None:
    """How many times as long `of` took as `tool` did on the same work."""
    for median in found:
        if (median.filesystem, median.workload, median.tool) == (of.filesystem, of.workload, tool):
            return of.wall / median.wall
    return None
