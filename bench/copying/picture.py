"""The picture: for each workload, how many times as long as mirrorctl the others took."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from .summary import Median, ratio

_COLOURS = ("#2b6cb0", "#a0aec0", "#dd8452", "#c44e52", "#8172b3", "#55a868")
_WIDTH, _LABEL, _BAR, _GAP, _TOP = 760, 150, 13, 14, 64
_MOST = 6.0  # longer bars are cut off and say so


def svg(found: Sequence[Median], reference: str) -> str:
    tools = list(dict.fromkeys(median.tool for median in found))
    groups: dict[tuple[str, str], list[Median]] = {}
    for median in found:
        groups.setdefault((median.filesystem, median.workload), []).append(median)
    parts = [_legend(tools, reference)]
    y = _TOP
    for (filesystem, workload), medians in groups.items():
        middle = y + len(medians) * _BAR / 2 + 4
        parts.append(_text(_LABEL - 10, middle, f"{workload}, {filesystem}", "end"))
        for median in sorted(medians, key=lambda each: tools.index(each.tool)):
            parts.append(_bar(found, median, reference, tools, y))
            y += _BAR
        y += _GAP
    one = _LABEL + _length(1)
    line = (
        f'<line x1="{one:.1f}" y1="{_TOP - 6}" x2="{one:.1f}" y2="{y - _GAP + 6}" '
        'stroke="#2d3748" stroke-dasharray="3 3"/>'
    )
    body = "\n".join([line, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" '
        f'viewBox="0 0 {_WIDTH} {y}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _length(times: float) -> float:
    return (_WIDTH - _LABEL - 110) * min(times, _MOST) / _MOST


def _bar(
    found: Sequence[Median], median: Median, reference: str, tools: Sequence[str], y: float
) -> str:
    times = ratio(found, median, reference)
    if times is None:
        return ""
    length = _length(times)
    colour = _COLOURS[tools.index(median.tool) % len(_COLOURS)]
    more = " →" if times > _MOST else ""
    label = f"{_number(times)}{more} ({_duration(median.wall)})"
    return (
        f'<rect x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR - 2}" fill="{colour}"/>'
        + _text(_LABEL + length + 5, y + _BAR - 3, label, "start", 10)
    )


def _number(times: float) -> str:
    return f"{times:.2f}" if times < 100 else f"{times:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _legend(tools: Sequence[str], reference: str) -> str:
    parts = [_text(10, 20, f"Wall time, as a multiple of {reference} (median)", "start", 14)]
    x = 10.0
    for index, tool in enumerate(tools):
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 17, 42, tool))
        x += 40 + 7.2 * len(tool)
    return "\n".join(parts)


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        # The line that marks 1 passes behind it.
        'fill="#1a202c" stroke="#ffffff" stroke-width="3" paint-order="stroke">'
        f"{escape(text)}</text>"
    )
