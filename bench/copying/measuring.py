"""Runs the tools in turns and writes down what each run took."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from support import trees

from .tools import Tool
from .workloads import Start, Workload

_TICKS = os.sysconf("SC_CLK_TCK")


class CopyFailed(Exception):
    """A tool ended with an error, or its copy is not equal."""


@dataclass(frozen=True)
class Run:
    filesystem: str
    workload: str
    tool: str
    wall: float  # seconds until the program ended
    sync: float  # seconds that syncfs of the replica took after that
    user: float  # CPU seconds of the program, its children and its io_uring workers
    system: float
    machine: float  # CPU seconds of the whole machine until after the sync
    peak_kib: int  # resident set of its largest process

    def as_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    measure: Path  # the program
    repetitions: int
    patience: float  # a tool that takes longer is not run again
    cold: bool
    rest: float  # how long to wait at most until the machine does nothing else


class Bench:
    """One workload on one filesystem."""

    def __init__(self, filesystem: str, place: Path, workload: Workload, plan: Plan):
        self._filesystem = filesystem
        self._place = place
        self._workload = workload
        self._plan = plan
        self._source = place / "source"

    def run(self, tools: Sequence[Tool], scale: float) -> list[Run]:
        """Makes the source, lets the tools take turns, removes everything."""
        self._workload.make(self._source, scale)
        runs: list[Run] = []
        slow: set[str] = set()
        try:
            if self._workload.start != Start.EMPTY:
                for tool in tools:
                    self._copy(tool)
            for repetition in range(self._plan.repetitions):
                if self._workload.start == Start.OUTDATED:
                    trees.change_some(self._source, one_in=1000)
                # In another order each time, so that nobody always comes after the same one.
                order = random.Random(repetition).sample(list(tools), len(tools))
                for tool in (tool for tool in order if tool.name not in slow):
                    runs.append(self._measured(tool, check=repetition == 0))
                    if runs[-1].wall > self._plan.patience:
                        slow.add(tool.name)
        finally:
            for path in self._place.iterdir():
                if path.name != "lost+found":
                    _remove(path)
        return runs

    def _replica(self, tool: Tool) -> Path:
        return self._place / f"replica-{tool.name.replace(' ', '')}"

    def _command(self, tool: Tool) -> list[str]:
        return tool.call(self._source, self._replica(tool), self._workload.holes)

    def _copy(self, tool: Tool) -> None:
        self._replica(tool).mkdir(exist_ok=True)
        subprocess.run(self._command(tool), check=True, stdout=subprocess.DEVNULL)

    def _measured(self, tool: Tool, check: bool) -> Run:
        replica = self._replica(tool)
        replica.mkdir(exist_ok=True)
        self._settle()
        before = _busy_seconds()
        taken = self._measure(tool)
        machine = _busy_seconds() - before
        if taken.pop("status") != 0:
            raise CopyFailed(f"{tool.name} failed on {self._workload.name}")
        if check and "mirrorctl" in tool.name:
            self._check(tool, replica)
        if self._workload.start == Start.EMPTY:
            _remove(replica)
        return Run(self._filesystem, self._workload.name, tool.name, machine=machine, **taken)

    def _settle(self) -> None:
        """Nothing that earlier runs left behind is to be written, or freed, during this one."""
        os.sync()
        if self._plan.cold:
            Path("/proc/sys/vm/drop_caches").write_text("3")
        _wait_for_rest(self._plan.rest)

    def _measure(self, tool: Tool) -> dict:
        result = self._place / "result"
        command = [str(self._plan.measure), str(result), str(self._replica(tool))]
        subprocess.run(command + self._command(tool), check=True, stdout=subprocess.DEVNULL)
        taken = json.loads(result.read_text())
        result.unlink()
        return taken

    def _check(self, tool: Tool, replica: Path) -> None:
        """A copy that leaves something out is fast: what rsync would still do must be nothing."""
        command = ["rsync", "-aHAXn", "--delete", "--itemize-changes", "--exclude=/.mirrorfs"]
        listed = subprocess.run(
            [*command, f"{self._source}/", f"{replica}/"], check=True, capture_output=True
        ).stdout
        if listed:
            raise CopyFailed(f"{tool.name}: the copy differs: {listed[:500]!r}")


def _remove(tree: Path) -> None:
    subprocess.run(["rm", "-rf", "--", tree], check=True)  # many times faster than shutil


def _wait_for_rest(seconds: float) -> None:
    """Returns when the machine does nothing else, or, with a word on it, after so many
    seconds; at once for 0."""
    most = 0.3  # of one processor
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        busy, since = _busy_seconds(), time.monotonic()
        time.sleep(0.1)
        if (_busy_seconds() - busy) / (time.monotonic() - since) < most:
            return
    if seconds:
        print("copy: the machine does not come to rest, figures will be worse", file=sys.stderr)


def _busy_seconds() -> float:
    """CPU seconds that the machine did not idle; kernel threads (writeback, loop devices, journals)
    are nobody's children and show up here only."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) / _TICKS
