"""bench/journal: the same workloads with the journal off, fast and durable, in turns."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from support import programs
from support.mirror import MirrorFailed

from . import report, workloads
from .measuring import Build, Plan, measure

_LOADS = ("untar", "create", "sqlite", "overwrite")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="journal",
        description="Times applications in a mount with --journal=off, fast and durable, which take "
        "turns. The ratio is the time with a journal to the time without: 1.03 is a throughput "
        "of 0.97. Needs root's rights.",
    )
    add = parser.add_argument
    add("--programs", type=Path, metavar="DIR", help="default: this source tree's build")
    add("--rounds", type=int, default=7, metavar="N", help="default: %(default)s")
    add("--scale", type=float, default=1, help="of sizes and numbers; default: %(default)s")
    add("--transport", default="dev", choices=("uring", "dev"), help="default: %(default)s")
    add("--workload", action="append", default=[], choices=[load.name for load in workloads.ALL])
    add("--journal", action="append", default=[], choices=("off", "fast", "durable"))
    add("--tree", type=Path, default=Path("/usr/include"), metavar="DIR", help="what is unpacked")
    add(
        "--scratch",
        type=Path,
        default=Path("/dev/shm"),
        metavar="DIR",
        help="where the trees are, and the journal; default: %(default)s",
    )
    return parser


def main() -> int:
    options = _options().parse_args()
    wanted = options.workload or _LOADS
    loads = [load for load in workloads.ALL if load.name in wanted]
    try:
        if os.geteuid() != 0:
            raise PermissionError("mounting needs root's rights")
        folder = options.programs or programs.program("mirrorfs").parent
        kinds = options.journal or ("off", "fast", "durable")
        builds = [Build(kind, folder.resolve(), [f"--journal={kind}"]) for kind in kinds]
        plan = Plan(options.tree, options.rounds, options.scale, [])
        runs = measure(builds, [options.transport], loads, options.scratch, plan)
    except (MirrorFailed, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"journal: {error}", file=sys.stderr)
        return 2
    print(report.table(report.lines(runs)), end="")
    return 0
