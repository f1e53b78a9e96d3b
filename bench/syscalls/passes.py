"""Runs one copy three times, each time seen by other eyes, each time into a fresh replica.

1. Kernel trace events: at full speed, as nothing stops the program. The numbers of io_uring_enter
   and of operations come from here, and this run's own counters have to agree with them.
2. ring_watch: stops the program at each io_uring_enter and reads the submission queue, for names
   and descriptors, which trace events do not show.
3. strace: stops it at every system call, for all that is not on the ring.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import direct, submissions, tracefs
from .only import Filter
from .tally import Tally, add_direct, add_events, add_submissions

# Events of one object: about ten operations and its share of the enters, 100 bytes each; twice that
# for safety, and all of it might land on one processor.
_BYTES_PER_OBJECT = 2500
_LEAST_KIB = 16 << 10


class RunFailed(Exception):
    """The program under analysis, or a tool, did not do its work."""


@dataclass(frozen=True)
class Copy:
    """The program under analysis: how to call it, and what to do before."""

    command: tuple[str, ...]  # with {source} and {replica} to be put in
    own_counters: bool  # prints JSON with "ring" in it
    again: bool = False  # into a replica that was made equal before

    def for_trees(self, source: Path, replica: Path) -> list[str]:
        return [part.format(source=source, replica=replica) for part in self.command]


@dataclass(frozen=True)
class Settings:
    ring_watch: Path
    scratch: Path
    traces: Path  # where the raw traces go
    trace_kib: int | None = None
    only: str | None = None


class Passes:
    def __init__(self, copy: Copy, source: Path, tally: Tally, settings: Settings):
        self._copy = copy
        self._source = source
        self._tally = tally
        self._settings = settings
        self._replica = settings.scratch / "replica"

    def run(self) -> dict | None:
        """Fills the tally; returns the program's own counters."""
        program = None
        if self._settings.only is None:
            program = self._count_events()
        self._record_submissions()
        self._record_calls()
        return program

    def _fresh(self) -> list[str]:
        shutil.rmtree(self._replica, ignore_errors=True)
        self._replica.mkdir()
        command = self._copy.for_trees(self._source, self._replica)
        if self._copy.again:
            self._checked(subprocess.run(command, capture_output=True, check=False))
        return command

    def _checked(self, done: subprocess.CompletedProcess) -> bytes:
        if done.returncode != 0:
            raise RunFailed(
                f"{' '.join(map(str, done.args))}: exit status {done.returncode}: "
                + done.stderr.decode(errors="replace").strip()[-500:]
            )
        return done.stdout

    def _count_events(self) -> dict | None:
        kib = self._settings.trace_kib or max(
            _LEAST_KIB, self._tally.objects * _BYTES_PER_OBJECT // 1024
        )
        trace = self._settings.traces / "ring-events.txt"
        with tracefs.mounted() as place, tracefs.Instance(place, kib) as instance:
            output = self._checked(instance.run(self._fresh(), stdout=-1, stderr=-1))
            instance.save(trace)
        with trace.open(errors="surrogateescape") as lines:
            add_events(self._tally, tracefs.parse(lines))
        return json.loads(output).get("ring") if self._copy.own_counters else None

    def _record_submissions(self) -> None:
        record = self._settings.traces / "ring-names.txt"
        resolve = ["--resolve"] if self._settings.only else []
        command = [str(self._settings.ring_watch), *resolve, str(record), *self._fresh()]
        self._checked(subprocess.run(command, capture_output=True, check=False))
        chosen = self._filter()
        with record.open(errors="surrogateescape") as lines:
            add_submissions(self._tally, chosen.keep(submissions.parse(lines)))

    def _record_calls(self) -> None:
        record = self._settings.traces / "calls.txt"
        command = ["strace", "-f", "-qq", "-s", "4096", "-e", "signal=none"]
        # What is read and written is nobody's business, and may be large.
        command += ["-e", "raw=read,write,pread64,pwrite64,readv,writev"]
        command += ["-y"] if self._settings.only else []
        command += ["-o", str(record), *self._fresh()]
        self._checked(subprocess.run(command, capture_output=True, check=False))
        chosen = self._filter()
        with record.open(errors="surrogateescape") as lines:
            add_direct(self._tally, chosen.keep(direct.parse(lines)))

    def _filter(self) -> Filter:
        only = self._settings.only
        roots = (self._source.resolve(), self._replica.resolve())
        return Filter(None if only is None else [str(root / only) for root in roots])
