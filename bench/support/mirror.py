"""One running mirror for a measurement: its trees, its daemon, its mount."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_START, _END = 30, 120  # seconds
_RINGS = Path("/sys/module/fuse/parameters/enable_uring")


class MirrorFailed(Exception):
    """The daemon does not start, does not converge, or does not end as it should."""


def offer_rings() -> None:
    """FUSE over io_uring is for mounts that begin while the kernel offers it."""
    if not _RINGS.exists():
        raise MirrorFailed("this kernel has no FUSE over io_uring")
    _RINGS.write_text("Y")


class Mirror:
    """A context manager: mounted and in sync inside, gone afterwards.

    `place` is an empty folder for the trees; `begin` starts the daemon's command line and returns
    its process, by default as it is.
    """

    def __init__(
        self,
        programs: Path,
        place: Path,
        options: Sequence[str] = (),
        begin: Callable[..., subprocess.Popen] = subprocess.Popen,
    ):
        self._programs = programs
        self._place = place
        self._options = options
        self._begin = begin
        self._daemon: subprocess.Popen | None = None

    source = property(lambda self: self._place / "source")
    replica = property(lambda self: self._place / "replica")
    mount = property(lambda self: self._place / "mount")
    log = property(lambda self: self._place / "log")

    def __enter__(self) -> "Mirror":
        for folder in (self.source, self.replica, self.mount, self._place / "state"):
            folder.mkdir(exist_ok=True)
        command = [self._programs / "mirrorfs", "--foreground", f"--state-dir={self._place}/state"]
        command += [f"--log-file={self.log}", *self._options]
        trees = [self.source, self.replica, self.mount]
        self._daemon = self._begin([str(word) for word in (*command, *trees)])
        try:
            self._wait_until_it_answers()
            self.wait()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not None:
            self._kill()
            return
        try:
            subprocess.run(["umount", self.mount], check=True)
            if self._process.wait(_END) != 0:
                raise MirrorFailed(f"mirrorfs ended badly: {self._said()}")
        except BaseException:
            self._kill()
            raise

    @property
    def _process(self) -> subprocess.Popen:
        assert self._daemon is not None
        return self._daemon

    def status(self) -> dict:
        return json.loads(self._ctl("status", "--json"))

    def wait(self) -> None:
        """All that was done so far is durable on the replica."""
        self._ctl("wait", f"--timeout={_END}")

    def connection(self) -> int:
        """The number of the FUSE connection."""
        return os.minor(self.mount.stat().st_dev)

    def expect_equal(self) -> None:
        """A mirror that leaves something out is fast: rsync must find nothing left to do."""
        command = ["rsync", "-aHAXn", "--delete", "--itemize-changes", "--exclude=/.mirrorfs"]
        done = subprocess.run(
            [*command, f"{self.source}/", f"{self.replica}/"], check=True, capture_output=True
        )
        if done.stdout:
            raise MirrorFailed(f"the replica differs: {done.stdout[:500]!r}")

    def _ctl(self, verb: str, *options: str) -> bytes:
        command = [self._programs / "mirrorctl", verb, self.mount, *options]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise MirrorFailed(f"mirrorctl {verb}: exit status {done.returncode}: {said}")
        return done.stdout

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + _START
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise MirrorFailed(f"mirrorfs ended at its start: {self._said()}")
            if os.path.ismount(self.mount):
                with contextlib.suppress(MirrorFailed):
                    self.status()
                    return
            time.sleep(0.01)
        raise MirrorFailed(f"the mount does not answer: {self._said()}")

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-1000:] if self.log.exists() else ""

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        # What still waits in the mount gets an error now that nobody serves it.
        subprocess.run(["umount", "-l", self.mount], check=False, capture_output=True)
