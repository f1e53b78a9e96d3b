"""Counts what happens on the ring, and of direct calls, by the kernel's own trace events.

An instance of our own, so that nobody else's tracing is touched; filtered to one program and what
it starts; with a buffer that does not overwrite, so that a lost event is an error and no smaller
number.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .direct import BadTrace

ENTER = "syscalls/sys_enter_io_uring_enter"
LISTING = "syscalls/sys_enter_getdents64"
SUBMIT = "io_uring/io_uring_submit_req"
CALL = "syscalls/sys_enter_*"  # every system call; ENTER and LISTING among them
REQUEST = "fuse/fuse_request_send"
_MARK = "tracing_mark_write"
_PATIENCE = 10  # seconds
_LOST = ("overrun", "commit overrun", "dropped events")


@dataclass(frozen=True)
class Event:
    kind: str  # ENTER, LISTING, SUBMIT, CALL or REQUEST
    thread: int
    opcode: str = ""  # of SUBMIT and REQUEST, lower case; of CALL: the name
    user_data: int = 0  # of SUBMIT
    name: str = ""  # of the thread, of CALL and SUBMIT among calls
    size: int = 0  # of CALL, where it has an argument "count"


# "mirrorctl-4711  [001] ...1.  8.123: io_uring_submit_req: ring …, user_data 0x…, opcode STATX, "
_LINE = re.compile(r"\s*.*-(\d+)\s+(?:\([-\d ]+\)\s+)?\[\d+\]\s.*?[\d.]+: (\w+)[:(](.*)")
_SUBMIT = re.compile(r".*user_data (0x[0-9a-f]+), opcode (\w+),")


def parse(lines: Iterable[str]) -> Iterator[Event]:
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        if "LOST" in line and "EVENTS" in line:
            raise BadTrace(f"the kernel lost trace events: {line.strip()}")
        found = _LINE.match(line)
        if not found:
            raise BadTrace(f"not a line of the kernel's trace: {line!r}")
        thread, event, rest = int(found[1]), found[2], found[3]
        if event == "sys_io_uring_enter":
            yield Event(ENTER, thread)
        elif event == "sys_getdents64":
            yield Event(LISTING, thread)
        elif event == "io_uring_submit_req":
            if not (fields := _SUBMIT.match(rest)):
                raise BadTrace(f"not a line of the kernel's trace: {line!r}")
            yield Event(SUBMIT, thread, fields[2].lower(), int(fields[1], 0))
        else:
            raise BadTrace(f"an event that nobody asked for: {line!r}")


@contextlib.contextmanager
def mounted() -> Iterator[Path]:
    """The trace filesystem; mounted for ourselves where nobody has done so."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "tracefs":
            yield Path(fields[1])
            return
    with tempfile.TemporaryDirectory(prefix="tracefs.") as place:
        subprocess.run(["mount", "-t", "tracefs", "tracefs", place], check=True)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


_CALL_LINE = re.compile(
    r"\s*(.*)-(\d+)\s+(?:\([-\d ]+\)\s+)?\[\d+\]\s.*?[\d.]+: "
    r"(?:sys_(\w+)\((.*)|io_uring_submit_req: (.*)|fuse_request_send: (.*))"
)
_REQUEST = re.compile(r"connection (\d+) req \d+ opcode \d+ \(FUSE_(\w+)\)")
_COUNT = re.compile(r"\bcount: ([0-9a-f]+)")


def parse_calls(lines: Iterable[str]) -> Iterator[Event]:
    """The same of a trace of all calls (CALL), of the ring, and of FUSE's requests (REQUEST)."""
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        if "LOST" in line and "EVENTS" in line:
            raise BadTrace(f"the kernel lost trace events: {line.strip()}")
        found = _CALL_LINE.match(line)
        if not found:
            raise BadTrace(f"not a line of the kernel's trace: {line!r}")
        name, thread, call, arguments, submit, request = found.groups()
        if call:
            count = _COUNT.search(arguments)
            size = int(count[1], 16) if count else 0
            yield Event(CALL, int(thread), call, name=name, size=size)
        elif submit:
            if not (fields := _SUBMIT.match(line)):
                raise BadTrace(f"not a line of the kernel's trace: {line!r}")
            yield Event(SUBMIT, int(thread), fields[2].lower(), int(fields[1], 0), name)
        else:
            if not (fields := _REQUEST.match(request)):
                raise BadTrace(f"not a line of the kernel's trace: {line!r}")
            yield Event(REQUEST, int(thread), fields[2].lower(), int(fields[1]))


class Instance:
    """A trace buffer of our own. A context manager: removed at the end."""

    def __init__(self, tracefs: Path, kib_per_cpu: int, name: str = ""):
        self._path = tracefs / "instances" / f"mirrorfs-{os.getpid()}{name}"
        self._kib_per_cpu = kib_per_cpu

    def __enter__(self) -> "Instance":
        self._path.mkdir()
        try:
            self._write("tracing_on", "0")
            self._write("options/overwrite", "0")
            self._write("options/event-fork", "1")
            self._write("buffer_size_kb", str(self._kib_per_cpu))
        except BaseException:
            self._path.rmdir()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._write("tracing_on", "0")
        self._path.rmdir()

    def run(self, command: list[str], **options) -> subprocess.CompletedProcess:
        """Runs the command under trace."""
        with self._at_the_gate(command, **options) as process:
            self.enable(ENTER, LISTING, SUBMIT)
            output, errors = process.communicate(b"go\n")
        self.pause()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def begin(self, command: list[str]) -> subprocess.Popen:
        """Starts a command whose events, and those of all its threads, are those that are recorded
        between record() and pause()."""
        process = self._at_the_gate(command)
        self.pause()
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        return process

    def enable(self, *events: str) -> None:
        """With wildcards, if wanted."""
        for event in events:
            for switch in sorted(self._path.glob(f"events/{event}/enable")):
                switch.write_text("1")

    def choose(self, event: str, condition: str) -> None:
        """Only what meets the condition, of this event."""
        self._write(f"events/{event}/filter", condition)

    def record(self) -> None:
        self._write("tracing_on", "1")

    def pause(self) -> None:
        self._write("tracing_on", "0")

    def _at_the_gate(self, command: list[str], **options) -> subprocess.Popen:
        """A shell that made itself known and is traced from now on; it becomes the command once it
        reads a line."""
        self.record()
        script = 'marker=$1 && shift && echo here >"$marker" && read -r go && exec "$@"'
        gate = ["sh", "-c", script, "sh", str(self._path / "trace_marker"), *command]
        process = subprocess.Popen(gate, stdin=subprocess.PIPE, **options)
        try:
            self._write("set_event_pid", str(self._marked(process)))
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process

    def _marked(self, process: subprocess.Popen) -> int:
        """The number of the process that left a mark, as the kernel counts: another one than its
        own inside of a container."""
        for _ in range(_PATIENCE * 100):
            if found := re.search(rf"-(\d+)\s.*{_MARK}: here", (self._path / "trace").read_text()):
                (self._path / "trace").write_text("")
                return int(found[1])
            if process.poll() is not None:
                break
            time.sleep(0.01)
        raise BadTrace("a mark did not arrive in the trace")

    def save(self, path: Path) -> None:
        """Keeps the trace in a file. Raises BadTrace if an event was lost."""
        for cpu in sorted(self._path.glob("per_cpu/cpu*/stats")):
            for line in cpu.read_text().splitlines():
                label, _, number = line.partition(":")
                if label in _LOST and int(number):
                    raise BadTrace(
                        f"the kernel lost {number.strip()} trace events ({label}): a buffer of "
                        f"{self._kib_per_cpu} KiB for each processor is too small, see --trace-buffer"
                    )
        with path.open("wb") as file, (self._path / "trace").open("rb") as trace:
            while piece := trace.read(1 << 20):
                file.write(piece)

    def _write(self, name: str, value: str) -> None:
        (self._path / name).write_text(value)
