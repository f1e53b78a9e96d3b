"""The table, as text that is Markdown too."""

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
    lines = [_HEAD, *(_cells(found, median, reference) for median in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    texts = ["| " + " | ".join(_padded(line, widths)) + " |" for line in lines]
    rule = "|" + "|".join(
        "-" * (width + 2) if column < 3 else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    )
    return "\n".join([texts[0], rule + "|", *texts[1:]]) + "\n"


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


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if column < 3 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths))
    ]
