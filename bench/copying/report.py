"""The tables, as text that is Markdown too."""

from collections.abc import Sequence

from .summary import Median, ratio

_HEAD = (
    "filesystem",
    "workload",
    "tool",
    "wall s",
    "ratio",
    "durable s",
    "CPU s",
    "machine s",
    "peak MiB",
    "runs",
    "spread",
)


def table(found: Sequence[Median], reference: str) -> str:
    """`ratio`: how many times as long as `reference` it took."""
    return _table([_HEAD, *(_cells(found, median, reference) for median in found)], left=3)


def _table(lines: Sequence[Sequence[str]], left: int) -> str:
    """The first line is the head; so many columns stand to the left, the others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = ["| " + " | ".join(_padded(line, widths, left)) + " |" for line in lines]
    rule = "|" + "|".join(
        "-" * (width + 2) if column < left else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    )
    return "\n".join([texts[0], rule + "|", *texts[1:]]) + "\n"


def ratios(found: Sequence[Median], reference: str) -> str:
    """The result in short: seconds of `reference`, and how many times as long the others took."""
    others = list(dict.fromkeys(median.tool for median in found if median.tool != reference))
    lines = [("workload", "filesystem", f"{reference}, s", *others)]
    for ours in (median for median in found if median.tool == reference):
        times = [_times(found, ours, tool) for tool in others]
        lines.append((ours.workload, ours.filesystem, f"{ours.wall:.3f}", *times))
    return _table(lines, left=2)


def _times(found: Sequence[Median], ours: Median, tool: str) -> str:
    times = ratio(found, ours, tool)
    return "–" if times is None else f"{1 / times:.2f}"


def _cells(found: Sequence[Median], median: Median, reference: str) -> tuple[str, ...]:
    times = ratio(found, median, reference)
    return (
        median.filesystem,
        median.workload,
        median.tool,
        f"{median.wall:.3f}",
        "–" if times is None else f"{times:.2f}",
        f"{median.durable:.3f}",
        f"{median.cpu:.2f}",
        f"{median.machine:.2f}",
        f"{median.peak_mib:.0f}",
        str(median.runs),
        f"{median.spread:.0%}",
    )


def _padded(line: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    return [
        cell.ljust(width) if column < left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths))
    ]
