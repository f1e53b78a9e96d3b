"""The command line of bench/copy."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support import programs

from . import filesystems, picture, report, tools, workloads
from .measuring import Bench, CopyFailed, Plan, Run
from .summary import medians

REFERENCE = "mirrorctl sync"
_SIZE = 9 << 30  # of each filesystem; its memory or image is used up only as far as it is filled


def _options() -> argparse.ArgumentParser:
    names = "\n".join(f"  {load.name:<10} {load.about}" for load in workloads.ALL)
    parser = argparse.ArgumentParser(
        prog="copy",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures 'mirrorctl sync' beside cp and rsync, in turns, on filesystems of "
        "its own. Needs root's rights,\nabout 6 GB of memory, and a machine that does nothing else.",
        epilog=f"workloads:\n{names}\n\ndocs/BENCHMARKS.md tells what the columns mean.",
    )
    add = parser.add_argument
    names_of_loads = [load.name for load in workloads.ALL]
    add("--workload", action="append", default=[], choices=names_of_loads, help="default: all")
    usual = " and ".join(filesystems.USUAL)
    add(
        "--filesystem",
        action="append",
        default=[],
        choices=filesystems.NAMES,
        help=f"default: {usual}",
    )
    add(
        "--tool",
        action="append",
        default=[],
        metavar="NAME",
        help="as the table names it, such as 'cp -a'; mirrorctl always takes part; default: all",
    )
    add("--program", type=Path, metavar="MIRRORCTL", help="default: built from this source tree")
    add("--bin", type=Path, metavar="DIR", help="take programs from there, build nothing")
    add("--before", type=Path, metavar="MIRRORCTL", help="an older one, to take turns with")
    add("--repetitions", type=int, default=5, metavar="N", help="default: %(default)s")
    add(
        "--patience",
        type=float,
        default=20,
        metavar="SECONDS",
        help="a tool that takes longer is run once; default: %(default)s",
    )
    add(
        "--rest",
        type=float,
        default=20,
        metavar="SECONDS",
        help="before each run, wait so long at most for the machine to be idle; default: %(default)s",
    )
    add(
        "--scale", type=float, default=1, help="of numbers and sizes of files; default: %(default)s"
    )
    add(
        "--objects",
        type=int,
        metavar="N",
        help="instead of the workloads: one tree of this many small objects",
    )
    add("--cold", action="store_true", help="drop the machine's caches before each run")
    add(
        "--images",
        type=Path,
        default=Path("/dev/shm"),
        metavar="DIR",
        help="where images of block devices lie; default: %(default)s, so that no disk is measured",
    )
    add("--json", type=Path, metavar="FILE", help="every run and the medians")
    add("--add-to", type=Path, metavar="FILE", help="take the runs of an earlier --json in")
    add("--svg", type=Path, metavar="FILE", help="the picture")
    return parser


def _tools(options: argparse.Namespace) -> list[tools.Tool]:
    program = options.program or programs.program("mirrorctl", options.bin)
    found = [tools.mirrorctl(REFERENCE, program)]
    if options.before:
        found.append(tools.mirrorctl(f"{REFERENCE}, before", options.before))
    others = tools.others()
    unknown = set(options.tool) - {tool.name for tool in others}
    if unknown:
        raise ValueError(f"no such tool: {', '.join(sorted(unknown))}")
    return found + [tool for tool in others if not options.tool or tool.name in options.tool]


def _workloads(options: argparse.Namespace) -> list[workloads.Workload]:
    if options.objects:
        number = options.objects
        name = f"{number:,} objects"
        make = lambda root, _: workloads.objects(root, number)  # noqa: E731
        return [workloads.Workload(name, name, make)]
    return [load for load in workloads.ALL if not options.workload or load.name in options.workload]


def _measure(options: argparse.Namespace) -> list[Run]:
    measure = programs.program("measure", options.bin)
    plan = Plan(measure, options.repetitions, options.patience, options.cold, options.rest)
    participants = _tools(options)
    kinds = options.filesystem or (["tmpfs"] if options.objects else filesystems.USUAL)
    runs: list[Run] = []
    for kind in kinds:
        for workload in _workloads(options):
            # A new one each time: what was on it before has an effect.
            with filesystems.made(kind, _size(options), options.images) as place:
                print(f"{workload.about}, on {kind} ...", file=sys.stderr)
                runs += Bench(kind, place, workload, plan).run(participants, options.scale)
    return runs


def _size(options: argparse.Namespace) -> int:
    return max(_SIZE, 12_000 * (options.objects or 0))


def _machine() -> dict:
    return {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cp": _version("cp"),
        "rsync": _version("rsync"),
    }


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]


def _earlier(path: Path | None, replaced: Sequence[Run]) -> list[Run]:
    if path is None:
        return []
    again = {(run.filesystem, run.workload, run.tool) for run in replaced}
    runs = [Run(**fields) for fields in json.loads(path.read_text())["runs"]]
    return [run for run in runs if (run.filesystem, run.workload, run.tool) not in again]


def _place(run: Run) -> tuple[int, str]:
    """The order of the tables, whatever was measured first."""
    names = [load.name for load in workloads.ALL]
    known = names.index(run.workload) if run.workload in names else len(names)
    return known, run.filesystem


def _write(options: argparse.Namespace, runs: Sequence[Run]) -> None:
    found = medians(sorted(runs, key=_place))
    print(report.table(found, REFERENCE))
    print(report.ratios(found, REFERENCE), end="")
    if options.json:
        body = {
            "machine": _machine(),
            "medians": [vars(median) for median in found],
            "runs": [run.as_json() for run in runs],
        }
        options.json.write_text(json.dumps(body, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(picture.svg(found, REFERENCE))


def main() -> int:
    options = _options().parse_args()
    try:
        if os.geteuid() != 0:
            raise PermissionError("mounting filesystems needs root's rights")
        runs = _measure(options)
        _write(options, _earlier(options.add_to, runs) + runs)
    except (CopyFailed, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"copy: {error}", file=sys.stderr)
        return 2
    return 0
