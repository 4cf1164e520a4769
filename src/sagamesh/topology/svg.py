"""A picture drawn: SVG without another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from sagamesh.topology.picture import Box, Picture

__all__ = ["svg"]

_LINE: Final = 16
_PADDING: Final = 10
_BETWEEN: Final = 22
_GUTTER: Final = 90
_MARGIN: Final = 20
_CHARACTER: Final = 7.3
"""How wide one character is at most, in the font below."""

_STYLE: Final = """\
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #222 }
  .name { font-weight: bold } .capability { fill: #666 }
  .box { fill: #fff; stroke: #556 } .alive { fill: #e6f5e6 } .waiting { fill: #ffeeba }
  .held { fill: #ffd8a8 } .nobody { fill: #f8c8c8 }
  .arrow { fill: none; stroke: #889; marker-end: url(#head) } .depends { stroke-dasharray: 5 4 }
  #head path { fill: #889 }"""


@dataclass(frozen=True, slots=True)
class _Placed:
    box: Box
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def svg(picture: Picture) -> str:
    """A drawing of its own: one file that every browser shows."""
    placed = _placed(picture)
    width = max((each.x + each.width for each in placed.values()), default=0) + _MARGIN
    height = max((each.y + each.height for each in placed.values()), default=0) + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<style>\n{_STYLE}\n</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ]
    lines += [_arrow(placed[arrow.source], placed[arrow.target], arrow.kind) for arrow in picture.arrows]
    lines += [_box(each) for each in placed.values()]
    return "\n".join([*lines, "</svg>"])


def _placed(picture: Picture) -> dict[str, _Placed]:
    """Where each box is: columns side by side, each as high as its boxes, centred."""
    columns = _untangled(picture)
    sizes = [[_size(box) for box in column] for column in columns]
    heights = [sum(height + _BETWEEN for _, height in column) - _BETWEEN for column in sizes]
    tallest = max(heights, default=0)
    found: dict[str, _Placed] = {}
    x: float = _MARGIN
    for column, of_it, height in zip(columns, sizes, heights, strict=True):
        y = _MARGIN + (tallest - height) / 2
        widest = max(width for width, _ in of_it)
        for box, (_, high) in zip(column, of_it, strict=True):
            found[box.name] = _Placed(box, x, y, widest, high)
            y += high + _BETWEEN
        x += widest + _GUTTER
    return found


def _untangled(picture: Picture) -> list[list[Box]]:
    """The columns, each sorted by where those stand that point at its boxes: fewer arrows cross."""
    sources: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        sources.setdefault(arrow.target, []).append(arrow.source)
    place: dict[str, float] = {}
    found: list[list[Box]] = []
    for column in picture.columns:
        pulls = {
            box.name: _mean([place[name] for name in sources.get(box.name, []) if name in place]) for box in column
        }
        ordered = [
            box for _, _, box in sorted((pulls[box.name] if found else 0, n, box) for n, box in enumerate(column))
        ]
        place |= {box.name: (n + 0.5) / len(ordered) for n, box in enumerate(ordered)}
        found.append(ordered)
    return found


def _mean(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.5


def _size(box: Box) -> tuple[float, float]:
    texts = [box.name, *box.lines, *box.capabilities]
    return max(map(len, texts)) * _CHARACTER + 2 * _PADDING, len(texts) * _LINE + 2 * _PADDING


def _box(placed: _Placed) -> str:
    box = placed.box
    corner = placed.height / 2 if box.kind == "task" else 4
    lines = [
        f'<g><rect class={quoteattr(f"box {box.condition}".strip())} x="{placed.x:.1f}" y="{placed.y:.1f}" '
        f'width="{placed.width:.1f}" height="{placed.height:.1f}" rx="{corner:.1f}"/>'
    ]
    styled: Sequence[tuple[str, str]] = [
        (box.name, "name"),
        *((line, "state") for line in box.lines),
        *((name, "capability") for name in box.capabilities),
    ]
    for n, (text, style) in enumerate(styled):
        baseline = placed.y + _PADDING + (n + 0.75) * _LINE
        lines.append(f'<text class="{style}" x="{placed.x + _PADDING:.1f}" y="{baseline:.1f}">{escape(text)}</text>')
    return "".join([*lines, "</g>"])


def _arrow(source: _Placed, target: _Placed, kind: str) -> str:
    left, right = source.x + source.width, target.x
    if right > left:
        bend = (right - left) / 2
        path = f"M{left:.1f} {source.middle:.1f} C{left + bend:.1f} {source.middle:.1f} {right - bend:.1f} "
        path += f"{target.middle:.1f} {right:.1f} {target.middle:.1f}"
    else:  # a zone of an agent depends on what stands in its own column, or to its left
        side = max(left, target.x + target.width) + _GUTTER / 3
        end = target.x + target.width
        path = f"M{left:.1f} {source.middle:.1f} C{side:.1f} {source.middle:.1f} {side:.1f} {target.middle:.1f} "
        path += f"{end:.1f} {target.middle:.1f}"
    return f'<path class={quoteattr(f"arrow {kind}")} d="{path}"/>'
