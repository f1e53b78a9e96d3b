"""bench/peers: lets the subjects take turns at each workload."""

import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from copying import filesystems

from .measuring import cpu_seconds
from .peer_workloads import Material, Workload
from .subjects import Served, Subject

_SIZE = 4 << 30  # of each filesystem
_LAG_FILES = 300


@dataclass(frozen=True)
class Run:
    filesystem: str
    workload: str
    subject: str
    round: int
    wall: float  # seconds until the application ended
    converged: float  # seconds until the replica had all of it
    daemon: float  # CPU seconds of the daemon until then


@dataclass(frozen=True)
class Lag:
    filesystem: str
    subject: str
    size: int
    milliseconds: list[float]

    def at(self, share: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@contextlib.contextmanager
def material(tree: Path) -> Iterator[Material]:
    with tempfile.TemporaryDirectory(prefix="peers.", dir="/dev/shm") as folder:
        archive = Path(folder) / "archive"
        subprocess.run(["tar", "-cf", archive, "-C", tree, "."], check=True)
        yield Material(archive)


def measure(
    kinds: Sequence[str],
    subjects: Sequence[Subject],
    workloads: Sequence[Workload],
    programs: Path,
    rounds: int,
    things: Material,
) -> Iterator[Run]:
    for kind in kinds:
        with filesystems.made(kind, _SIZE, Path("/dev/shm")) as root:
            for number in range(rounds):
                print(f"{kind}: round {number + 1} of {rounds} ...", file=sys.stderr)
                for workload in workloads:
                    for subject in random.Random(number).sample(list(subjects), len(subjects)):
                        with tempfile.TemporaryDirectory(dir=root) as place:
                            yield _one(
                                kind, workload, subject, programs, Path(place), number, things
                            )


def _one(
    kind: str,
    workload: Workload,
    subject: Subject,
    programs: Path,
    place: Path,
    number: int,
    things: Material,
) -> Run:
    source = place / "source"
    source.mkdir()
    workload.prepare(source, things)
    os.sync()
    with subject.serve(programs, place) as served:
        if workload.warm:
            workload.run(served.folder, things)
        served.settle()
        before = _cpu(served)
        begin = time.monotonic()
        workload.run(served.folder, things)
        wall = time.monotonic() - begin
        served.settle()
        converged = time.monotonic() - begin
        used = _cpu(served) - before
        if number == 0:
            served.check()
    return Run(kind, workload.name, subject.name, number, wall, converged, used)


def _cpu(served: Served) -> float:
    return 0 if served.daemon is None else cpu_seconds(served.daemon)


def lag(
    kinds: Sequence[str], subjects: Sequence[Subject], programs: Path, sizes: Sequence[int]
) -> Iterator[Lag]:
    """From close(2) of a new file until the replica has the whole of it."""
    for kind in kinds:
        with filesystems.made(kind, _SIZE, Path("/dev/shm")) as root:
            for subject in subjects:
                for size in sizes:
                    with tempfile.TemporaryDirectory(dir=root) as folder:
                        place = Path(folder)
                        (place / "source").mkdir()
                        with subject.serve(programs, place) as served:
                            if served.replica is not None:
                                yield Lag(kind, subject.name, size, _lags(served, size))


def _lags(served: Served, size: int) -> list[float]:
    assert served.replica is not None
    data = os.urandom(size)
    found = []
    for number in range(_LAG_FILES):
        name = f"file-{number}"
        (served.folder / name).write_bytes(data)
        begin = time.monotonic()
        copy = served.replica / name
        while not copy.exists() or copy.stat().st_size < size:
            if time.monotonic() - begin > 30:
                raise TimeoutError(f"{name} does not reach the replica")
        found.append((time.monotonic() - begin) * 1000)
        time.sleep(0.005)
    return found


def ratios(runs: Sequence[Run]) -> dict[tuple[str, str, str], tuple[float, float, float]]:
    """By filesystem, workload and subject: median seconds; speed as a share of native's in the
    same round, its median; spread of the seconds."""
    native = {(r.filesystem, r.workload, r.round): r.wall for r in runs if r.subject == "native"}
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.filesystem, run.workload, run.subject), []).append(run)
    found = {}
    for key, group in groups.items():
        walls = [run.wall for run in group]
        shares = [
            native[(run.filesystem, run.workload, run.round)] / run.wall
            for run in group
            if (run.filesystem, run.workload, run.round) in native
        ]
        wall = statistics.median(walls)
        share = statistics.median(shares) if shares else float("nan")
        found[key] = (wall, share, (max(walls) - min(walls)) / wall)
    return found


def as_json(runs: Sequence[Run], lags: Sequence[Lag]) -> dict:
    return {"runs": [asdict(run) for run in runs], "lags": [asdict(one) for one in lags]}
