"""What was found, for a terminal, for a pull request and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .rows import Row
from .score import Finding, Level
from .tally import Key, Tally


@dataclass
class Result:
    workload: str
    tally: Tally
    rows: list[Row]
    findings: list[Finding] = field(default_factory=list)
    program: dict | None = None  # its own counters

    def critical(self) -> bool:
        return any(finding.level == Level.CRITICAL for finding in self.findings)


def _labels(results: Sequence[Result]) -> dict[str, str]:
    return {row.key: row.label for result in results for row in result.rows}


def _cells(results: Sequence[Result], key: str) -> list[str]:
    found = []
    for result in results:
        row = next((row for row in result.rows if row.key == key), None)
        found.append(row.text() if row else "0")
    return found


def text(results: Sequence[Result]) -> str:
    labels = _labels(results)
    lines = [["", *(result.workload for result in results)]]
    lines += [[label, *_cells(results, key)] for key, label in labels.items()]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    out = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:]))]
        ).rstrip()
        for line in lines
    ]
    for result in results:
        out += ["", f"{result.workload}: on the ring and off it, most frequent first"]
        out += [f"  {line}" for line in _most_frequent(result.tally)]
        out += [f"  program's own counters: {_counters(result.program)}"]
        out += [f"  {_finding(finding)}" for finding in result.findings]
    return "\n".join(out) + "\n"


def _most_frequent(tally: Tally, most: int = 14) -> list[str]:
    def line(key: Key, number: int) -> str:
        return f"{number:>9,}  {key.name} {key.way.value}, {key.world.value}"

    return [line(key, number) for key, number in tally.calls.most_common(most)]


def _counters(program: dict | None) -> str:
    if program is None:
        return "none"
    kinds = sorted(program["by_opcode"].items(), key=lambda item: -item[1])
    return (
        f"{program['enters']:,} enters, {program['operations']:,} operations, "
        f"{program['retries']:,} retries, {program['wakes']:,} wake-ups; "
        + ", ".join(f"{name} {number:,}" for name, number in kinds)
    )


def _finding(finding: Finding) -> str:
    return f"{finding.level.value.upper()}: {finding.text}"


def markdown(results: Sequence[Result], before: dict[str, dict[str, float | None]]) -> str:
    """A table with one column for each workload; in brackets what the baseline has, where that
    differs."""
    out = ["## System calls and ring operations of `mirrorctl sync`", ""]
    out.append("| | " + " | ".join(result.workload for result in results) + " |")
    out.append("|---|" + "---:|" * len(results))
    for key, label in _labels(results).items():
        cells = [
            cell + _was(cell, before.get(result.workload, {}).get(key))
            for result, cell in zip(results, _cells(results, key))
        ]
        out.append(f"| {label} | " + " | ".join(cells) + " |")
    out.append("")
    findings = [(result, finding) for result in results for finding in result.findings]
    if not findings:
        out.append("No findings: the program's own counters agree with the kernel's.")
    for result, finding in findings:
        mark = "❌" if finding.level == Level.CRITICAL else "⚠️"
        out.append(f"- {mark} {result.workload}: {finding.text}")
    return "\n".join(out) + "\n"


def _was(cell: str, before: float | None) -> str:
    if before is None:
        return ""
    was = Row("", "", before).text()
    return "" if was == cell else f" ({was})"


def annotations(results: Sequence[Result]) -> str:
    """Workflow commands of GitHub's runners, which show them beside the change."""
    kinds = {Level.CRITICAL: "error", Level.WARNING: "warning"}
    return "".join(
        f"::{kinds[finding.level]} title=syscall_analysis::{result.workload}: {finding.text}\n"
        for result in results
        for finding in result.findings
    )


def as_json(results: Sequence[Result]) -> dict:
    def calls(counter) -> list[dict]:
        return [
            {"world": key.world.value, "name": key.name, "way": key.way.value, "count": number}
            for key, number in counter.most_common()
        ]

    return {
        "workloads": [
            {
                "name": result.workload,
                "rows": {row.key: row.value for row in result.rows},
                "findings": [
                    {"level": finding.level.value, "text": finding.text}
                    for finding in result.findings
                ],
                "calls": calls(result.tally.calls),
                "startup": calls(result.tally.startup),
                "program": result.program,
            }
            for result in results
        ]
    }
