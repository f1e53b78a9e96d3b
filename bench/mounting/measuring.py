"""Lets the builds take turns and writes down what each run took."""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from support.mirror import Mirror, offer_rings

from .workloads import Material, Workload


@dataclass(frozen=True)
class Build:
    name: str  # "A", "B"
    programs: Path
    options: Sequence[str] = ()  # for its mirrorfs alone


@dataclass(frozen=True)
class Run:
    build: str
    transport: str
    workload: str
    wall: float  # seconds until the application ended
    converged: float  # seconds until mirrorctl wait returned
    daemon: float  # CPU seconds of the daemon until then
    round: int

    def as_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    tree: Path
    rounds: int
    scale: float
    options: Sequence[str]  # for mirrorfs


def measure(
    builds: Sequence[Build],
    transports: Sequence[str],
    workloads: Sequence[Workload],
    scratch: Path,
    plan: Plan,
) -> list[Run]:
    """In each round every build does every workload on every transport, in another order each
    time: whatever else the machine does meets them alike."""
    if "uring" in transports:
        offer_rings()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="mount.", dir=scratch) as folder:
        archive = Path(folder) / "archive"
        subprocess.run(["tar", "-cf", archive, "-C", plan.tree, "."], check=True)
        material = Material(archive, plan.scale)
        for number in range(plan.rounds):
            print(f"round {number + 1} of {plan.rounds} ...", file=sys.stderr)
            for transport in transports:
                for workload in workloads:
                    # Side by side, so that a ratio compares neighbours.
                    for build in random.Random(number).sample(list(builds), len(builds)):
                        with tempfile.TemporaryDirectory(prefix="run.", dir=folder) as place:
                            runs.append(
                                _one(
                                    build, transport, workload, Path(place), material, number, plan
                                )
                            )
    return runs


def _one(
    build: Build,
    transport: str,
    workload: Workload,
    place: Path,
    material: Material,
    number: int,
    plan: Plan,
) -> Run:
    daemon: list[subprocess.Popen] = []

    def begin(command: list[str]) -> subprocess.Popen:
        daemon.append(subprocess.Popen(command))
        return daemon[0]

    options = [f"--transport={transport}", *plan.options, *build.options]
    with Mirror(build.programs, place, options, begin) as mirror:
        workload.prepare(mirror.mount, material)
        mirror.wait()
        used = cpu_seconds(daemon[0].pid)
        wall = _timed(lambda: workload.run(mirror.mount, material))
        converged = wall + _timed(mirror.wait)
        used = cpu_seconds(daemon[0].pid) - used
        if number == 0:
            mirror.expect_equal()
    return Run(build.name, transport, workload.name, wall, converged, used, number)


def _timed(action: Callable[[], object]) -> float:
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def cpu_seconds(process: int) -> float:
    """By all its threads, in nanoseconds; /proc/PID/stat counts in ticks."""
    total = 0
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has ended meanwhile
    return total / 1e9
