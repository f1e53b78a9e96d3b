"""The command line of bench/peers."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from copying import filesystems
from support import programs
from support.mirror import MirrorFailed, offer_rings

from . import peer_workloads, peers, subjects


def _options() -> argparse.ArgumentParser:
    who = "\n".join(f"  {one.name:<18} {one.about}" for one in subjects.ALL)
    what = "\n".join(f"  {load.name:<18} {load.about}" for load in peer_workloads.ALL)
    parser = argparse.ArgumentParser(
        prog="peers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Times applications natively, in a mirror and in other filesystems that pass "
        "through,\nwhich take turns. Needs root's rights and a machine that does nothing else.",
        epilog=f"subjects:\n{who}\n\nworkloads:\n{what}",
    )
    add = parser.add_argument
    add("--programs", type=Path, metavar="DIR", help="default: this source tree's build")
    add("--subject", action="append", default=[], choices=[one.name for one in subjects.ALL])
    add("--workload", action="append", default=[], metavar="NAME", help="default: all")
    add("--filesystem", action="append", default=[], choices=filesystems.NAMES)
    add("--tree", type=Path, default=Path("/usr/include/linux"), metavar="DIR")
    add("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--lag", action="store_true", help="only: how soon a closed file is in the replica")
    add("--json", type=Path, metavar="FILE", help="every run")
    return parser


def _chosen(names: Sequence[str]) -> list[subjects.Subject]:
    wanted = names or subjects.USUAL
    found = [one for one in subjects.ALL if one.name in wanted]
    for one in found:
        if one.missing:
            print(f"peers: left out, not installed: {one.name}", file=sys.stderr)
    return [one for one in found if not one.missing]


def _table(runs: Sequence[peers.Run]) -> str:
    found = peers.ratios(runs)
    who = list(dict.fromkeys(run.subject for run in runs))
    who.sort(key=[one.name for one in subjects.ALL].index)
    out = ["| workload | filesystem | " + " | ".join(who) + " |", "|---|---|" + "---:|" * len(who)]
    loads = {load.name: load for load in peer_workloads.ALL}
    for kind, name in dict.fromkeys((run.filesystem, run.workload) for run in runs):
        cells = [
            _cell(loads[name], one, *found[(kind, name, one)])
            for one in who
            if (kind, name, one) in found
        ]
        out.append(f"| {name} | {kind} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"


def _cell(load: peer_workloads.Workload, who: str, wall: float, share: float, spread: float) -> str:
    if who != "native":
        return f"{share:.2f} ±{spread / 2:.0%}"
    if load.unit:
        return f"{load.amount / wall:,.0f} {load.unit}/s"
    return f"{wall * 1000:,.0f} ms"


def _lag_table(lags: Sequence[peers.Lag]) -> str:
    out = [
        "| file | filesystem | subject | median ms | p99 | longest |",
        "|---|---|---|---:|---:|---:|",
    ]
    for one in lags:
        figures = " | ".join(f"{one.at(share):.2f}" for share in (0.5, 0.99, 1))
        out.append(f"| {one.size >> 10} KiB | {one.filesystem} | {one.subject} | {figures} |")
    return "\n".join(out) + "\n"


def main() -> int:
    options = _options().parse_args()
    known = [load.name for load in peer_workloads.ALL]
    kinds = options.filesystem or filesystems.USUAL
    runs: list[peers.Run] = []
    lags: list[peers.Lag] = []
    try:
        if os.geteuid() != 0:
            raise PermissionError("mounting needs root's rights")
        if unknown := set(options.workload) - set(known):
            raise ValueError(f"no such workload: {', '.join(sorted(unknown))}")
        loads = [one for one in peer_workloads.ALL if one.name in (options.workload or known)]
        folder = (options.programs or programs.program("mirrorfs").parent).resolve()
        programs.program("mirrorctl", options.programs)
        offer_rings()
        if options.lag:
            sizes = (4 << 10, 64 << 10, 1 << 20)
            lags.extend(peers.lag(kinds, _chosen(options.subject), folder, sizes))
        else:
            with peers.material(options.tree) as things:
                chosen = _chosen(options.subject)
                runs.extend(peers.measure(kinds, chosen, loads, folder, options.rounds, things))
    except (MirrorFailed, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    print(_lag_table(lags) if options.lag else _table(runs), end="")
    if options.json:
        options.json.write_text(json.dumps(peers.as_json(runs, lags), indent=1) + "\n")
    return 0
