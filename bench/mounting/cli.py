"""The command line of bench/mount."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from support import programs
from support.mirror import MirrorFailed

from . import report, workloads
from .measuring import Build, Plan, measure

_TRANSPORTS = ("uring", "dev")


def _options() -> argparse.ArgumentParser:
    names = "\n".join(f"  {load.name:<10} {load.about}" for load in workloads.ALL)
    parser = argparse.ArgumentParser(
        prog="mount",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Times applications at work in a mount. With two builds it lets them take "
        "turns and\nprints the ratio of the first (A) to the second (B). Needs root's rights.",
        epilog=f"workloads:\n{names}",
    )
    add = parser.add_argument
    add(
        "--programs",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="where mirrorfs and mirrorctl are; twice for A and B; default: this source tree's",
    )
    add(
        "--transport",
        action="append",
        default=[],
        choices=_TRANSPORTS,
        help="may be repeated; default: both",
    )
    loads = [load.name for load in workloads.ALL]
    add("--workload", action="append", default=[], choices=loads, help="default: all")
    add(
        "--tree",
        type=Path,
        default=Path("/usr/include"),
        metavar="DIR",
        help="what is unpacked; default: %(default)s",
    )
    add("--rounds", type=int, default=7, metavar="N", help="default: %(default)s")
    add("--scale", type=float, default=1, help="of sizes and numbers; default: %(default)s")
    add(
        "--option",
        action="append",
        default=[],
        metavar="TEXT",
        help="for mirrorfs, such as --option=--mode=fsync",
    )
    add(
        "--scratch",
        type=Path,
        default=Path("/dev/shm"),
        metavar="DIR",
        help="where the trees are; default: %(default)s, so that no disk is measured",
    )
    add("--json", type=Path, metavar="FILE", help="every run and the medians; '-': print it")
    return parser


def _builds(given: list[Path]) -> list[Build]:
    if len(given) > 2:
        raise ValueError("--programs can be given twice, no more")
    if not given:
        given = [programs.program(name).parent for name in ("mirrorfs", "mirrorctl")][:1]
    for folder in given:
        for name in ("mirrorfs", "mirrorctl"):
            programs.program(name, folder)
    return [Build(name, folder.resolve()) for name, folder in zip("AB", given)]


def main() -> int:
    options = _options().parse_args()
    try:
        if os.geteuid() != 0:
            raise PermissionError("mounting needs root's rights")
        loads = [load for load in workloads.ALL if load.name in (options.workload or [load.name])]
        plan = Plan(options.tree, options.rounds, options.scale, options.option)
        transports = options.transport or _TRANSPORTS
        runs = measure(_builds(options.programs), transports, loads, options.scratch, plan)
    except (MirrorFailed, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"mount: {error}", file=sys.stderr)
        return 2
    found = report.lines(runs)
    if options.json:
        body = json.dumps(report.as_json(found, runs), indent=1)
        print(body) if str(options.json) == "-" else options.json.write_text(body + "\n")
    if str(options.json) != "-":
        print(report.table(found), end="")
    return 0
