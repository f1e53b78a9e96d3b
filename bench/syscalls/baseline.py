"""Comparison with figures that were written down earlier."""

import json
from collections.abc import Sequence
from pathlib import Path

from .rows import Row
from .score import Finding, Level

# How much worse is a regression: what depends on the moment may vary, what does not may hardly.
_TIMING = 0.30
_COUNT = 0.02
_SLACK = 2  # of a count


def load(path: Path) -> dict[str, dict[str, float | None]]:
    """Figures by workload and row. Raises OSError, ValueError."""
    return json.loads(path.read_text())["workloads"]


def save(path: Path, workloads: dict[str, Sequence[Row]]) -> None:
    figures = {name: {row.key: row.value for row in rows} for name, rows in workloads.items()}
    path.write_text(json.dumps({"workloads": figures}, indent=1) + "\n")


def regressions(rows: Sequence[Row], before: dict[str, float | None]) -> list[Finding]:
    found = []
    for row in rows:
        was = before.get(row.key)
        if was is not None and _is_worse(row, was):
            text = f"regression: {row.label}: {row.text()}, was {was:g}"
            found.append(Finding(Level.WARNING, text))
    return found


def _is_worse(row: Row, before: float) -> bool:
    if row.value is None or not row.worse:
        return False
    change = row.value - before if row.worse == "more" else before - row.value
    margin = abs(before) * (_TIMING if row.timing else _COUNT)
    if row.key == "score":
        margin = 0
    elif isinstance(row.value, int) and before > 0:
        margin = max(margin, _SLACK)
    return change > margin + 1e-9
