"""The command line of bench/syscall_analysis."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from support import programs, trees
from support.mirror import MirrorFailed

from . import baseline, live, live_report, report, rows, score, tally, workloads
from .direct import BadTrace
from .passes import Copy, Passes, RunFailed, Settings
from .report import Result

EXIT_CRITICAL, EXIT_FAILED = 1, 2


def _options() -> argparse.ArgumentParser:
    names = "\n".join(f"  {load.name:<11} {load.about}" for load in workloads.NAMED.values())
    parser = argparse.ArgumentParser(
        prog="syscall_analysis",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Counts what 'mirrorctl sync' asks of the kernel: system calls by strace, "
        "operations on the\nring by the kernel's trace events, their names by a look into the "
        "submission queue.\nNeeds root's rights. docs/SYSCALL_ANALYSIS.md tells how to read it.",
        epilog=f"workloads:\n{names}\n\n{score.RULES}\n\n"
        "exit status: 0 done, 1 a critical finding (a path-based call, counters that disagree),\n"
        "2 the analysis failed, which includes a trace that lost events",
    )
    add = parser.add_argument
    add(
        "--workload",
        action="append",
        default=[],
        choices=workloads.NAMED,
        help="may be repeated; default: attributes, unless --tree is given",
    )
    add("--tree", action="append", default=[], type=Path, metavar="DIR", help="copy this tree too")
    add("--only", metavar="PATH", help="only what touches this object (relative to the source)")
    add(
        "--trace-from-first-readdir",
        action="store_true",
        help="leave the start-up out of all rows, not only out of the score",
    )
    add("--json", type=Path, metavar="FILE", help="write the result for programs; '-': print it")
    add("--markdown", type=Path, metavar="FILE", help="write the table for a pull request")
    add("--annotations", action="store_true", help="print findings as GitHub's runners want them")
    add("--baseline", type=Path, metavar="FILE", help="compare with these figures, warn if worse")
    add("--write-baseline", type=Path, metavar="FILE", help="write the figures of this run")
    add(
        "--keep-trace",
        type=Path,
        metavar="DIR",
        help="keep the raw traces, a folder for each workload",
    )
    add(
        "--mount",
        action="store_true",
        help="instead of a copy: a mirror at work, while the tree (default: /usr/include) is "
        "unpacked in its mount\nand removed again; both sides of the daemon",
    )
    add(
        "--transport",
        action="append",
        default=[],
        choices=live.TRANSPORTS,
        help="of --mount; may be repeated; default: both",
    )
    add("--program", type=Path, metavar="MIRRORCTL", help="default: built from this source tree")
    add("--bin", type=Path, metavar="DIR", help="take programs from there, build nothing")
    add(
        "--command",
        metavar="TEXT",
        help="analyse this instead of mirrorctl: {source} and {replica} stand for the trees",
    )
    add("--scratch", type=Path, metavar="DIR", help="where to work; default: the temporary folder")
    add(
        "--trace-buffer",
        type=int,
        metavar="KIB",
        help="for each processor; default: by the number of objects",
    )
    return parser


def _copy(options: argparse.Namespace, again: bool) -> Copy:
    if options.command:
        return Copy(tuple(shlex.split(options.command)), own_counters=False, again=again)
    program = options.program or programs.program("mirrorctl", options.bin)
    command = (str(program), "sync", "--stats", "--json", "{source}", "{replica}")
    return Copy(command, own_counters=True, again=again)


def _analyse(workload: workloads.Workload, options: argparse.Namespace, ring_watch: Path) -> Result:
    with tempfile.TemporaryDirectory(prefix="syscalls.", dir=options.scratch) as folder:
        scratch = Path(folder)
        source = workload.make(scratch)
        traces = (options.keep_trace or scratch) / workload.name.strip("/").replace("/", "-")
        traces.mkdir(parents=True, exist_ok=True)
        settings = Settings(ring_watch, scratch, traces, options.trace_buffer, options.only)
        found = _tally(source, workload.again, options.only)
        program = Passes(_copy(options, workload.again), source, found, settings).run()
    return _judge(workload.name, found, program, options)


def _tally(source: Path, again: bool, only: str | None) -> tally.Tally:
    if only is not None:
        if not os.path.lexists(source / only):
            raise FileNotFoundError(f"--only {only}: there is no such object in {source}")
        return tally.Tally(objects=1 + again, files=int((source / only).is_file()))
    census = trees.census(source)
    return tally.Tally(census.objects + (census.objects if again else 1), census.files)


def _judge(
    name: str, found: tally.Tally, program: dict | None, options: argparse.Namespace
) -> Result:
    whole = tally.include_startup(found)
    findings = score.findings(found)
    if options.only is None and not options.command:
        findings += score.check_counters(whole, program)
    findings += score.check_passes(found)
    table = rows.rows_of(found if options.trace_from_first_readdir else whole)
    # Whatever the table shows, what is judged is what comes after the start-up.
    judged = {row.key: row for row in rows.rows_of(found) if row.key in ("score", "startup_paths")}
    table = [judged.get(row.key, row) for row in table]
    return Result(name, found, table, findings, program)


def _write(options: argparse.Namespace, results: list[Result]) -> None:
    before = baseline.load(options.baseline) if options.baseline else {}
    for result in results:
        if options.baseline:
            result.findings += baseline.regressions(result.rows, before.get(result.workload, {}))
    if options.json:
        body = json.dumps(report.as_json(results), indent=1)
        print(body) if str(options.json) == "-" else options.json.write_text(body + "\n")
    if str(options.json) != "-":
        print(report.text(results), end="")
    if options.annotations:
        print(report.annotations(results), end="")
    if options.markdown:
        options.markdown.write_text(report.markdown(results, before))
    if options.write_baseline:
        baseline.save(options.write_baseline, {result.workload: result.rows for result in results})


def _analyse_mount(options: argparse.Namespace) -> None:
    """Exit status and baseline belong to copies: here figures are shown and nothing is judged."""
    for target in ("mirrorfs", "mirrorctl"):
        folder = programs.program(target, options.bin).parent
    tallies = [
        found
        for tree in options.tree or [Path("/usr/include")]
        for transport in options.transport or live.TRANSPORTS
        for found in live.analyse(folder, tree, options.scratch, transport, options.keep_trace)
    ]
    if options.json:
        body = json.dumps(live_report.as_json(tallies), indent=1)
        print(body) if str(options.json) == "-" else options.json.write_text(body + "\n")
    if str(options.json) != "-":
        print(live_report.text(tallies), end="")


def main() -> int:
    options = _options().parse_args()
    chosen = [workloads.NAMED[name] for name in options.workload]
    try:
        chosen += [workloads.of_tree(tree) for tree in options.tree]
        if os.geteuid() != 0:
            raise PermissionError("the kernel's trace events need root's rights")
        if options.mount:
            _analyse_mount(options)
            return 0
        ring_watch = programs.program("ring_watch", options.bin)
        results = [
            _analyse(workload, options, ring_watch)
            for workload in chosen or [workloads.NAMED["attributes"]]
        ]
        _write(options, results)
    except (
        BadTrace,
        MirrorFailed,
        OSError,
        RunFailed,
        ValueError,
        subprocess.CalledProcessError,
    ) as error:
        print(f"syscall_analysis: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_CRITICAL if any(result.critical() for result in results) else 0
