"""The programs that are compared. Each makes `replica` equal to the tree `source`."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tool:
    name: str
    command: Callable[[Path, Path], list[str]]
    sparse: tuple[str, ...] = ()  # what it needs to keep holes

    def call(self, source: Path, replica: Path, holes: bool) -> list[str]:
        command = self.command(source, replica)
        return [command[0], *(self.sparse if holes else ()), *command[1:]]


def mirrorctl(name: str, program: Path) -> Tool:
    return Tool(name, lambda source, replica: [str(program), "sync", str(source), str(replica)])


def _rsync(options: str) -> Tool:
    def command(source: Path, replica: Path) -> list[str]:
        return ["rsync", options, f"{source}/", f"{replica}/"]

    return Tool(f"rsync {options}", command, ("--sparse",))


def others() -> list[Tool]:
    """Raises FileNotFoundError where one is not installed."""
    for program in ("cp", "rsync"):
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{program} is not installed: mount-scripts/provision bench")
    copy = Tool("cp -a", lambda source, replica: ["cp", "-a", f"{source}/.", str(replica)])
    return [copy, _rsync("-a"), _rsync("-aHAX")]
