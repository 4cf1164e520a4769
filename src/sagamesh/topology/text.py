"""A picture as text for programs that draw: Mermaid and Graphviz."""

from __future__ import annotations

from typing import Final

from sagamesh.topology.picture import Box, Picture

__all__ = ["dot", "mermaid"]

_COLOURS: Final = {"waiting": "#ffeeba", "held": "#ffd8a8", "nobody": "#f8c8c8"}
"""Of what a person should look at."""


def mermaid(picture: Picture) -> str:
    """A Mermaid flow chart."""
    boxes = [box for column in picture.columns for box in column]
    lines = ["flowchart LR"]
    for box in boxes:
        shown = "<br/>".join([box.name, *box.lines, *_italic(box)])
        if box.kind == "task":
            lines.append(f'  {_id(box.name)}(["{shown}"])' if box.lines else f"  {_id(box.name)}([{box.name}])")
        else:
            lines.append(f'  {_id(box.name)}["{shown}"]')
    arrows = {"uses": "-->", "depends": "-.->"}
    lines += [f"  {_id(arrow.source)} {arrows[arrow.kind]} {_id(arrow.target)}" for arrow in picture.arrows]
    for condition, colour in _COLOURS.items():
        of_it = [_id(box.name) for box in boxes if box.condition == condition]
        if of_it:
            lines += [f"  classDef {condition} fill:{colour}", f"  class {','.join(of_it)} {condition}"]
    return "\n".join(lines)


def dot(picture: Picture) -> str:
    """A Graphviz graph."""
    lines = ["digraph mesh {", "  rankdir=LR;", "  node [shape=box];"]
    for column in picture.columns:
        for box in column:
            label = "\\n".join([box.name, *box.lines, *box.capabilities])
            shape = ["shape=ellipse"] if box.kind == "task" else []
            colour = _COLOURS.get(box.condition)
            fill = [f'style=filled, fillcolor="{colour}"'] if colour else []
            options = ", ".join([*shape, f'label="{label}"', *fill] if box.lines or not shape else shape + fill)
            lines.append(f'  "{box.name}" [{options}];')
    dashed = {"uses": "", "depends": " [style=dashed]"}
    lines += [f'  "{arrow.source}" -> "{arrow.target}"{dashed[arrow.kind]};' for arrow in picture.arrows]
    return "\n".join([*lines, "}"])


def _italic(box: Box) -> list[str]:
    return [f"<i>{'<br/>'.join(box.capabilities)}</i>"] if box.kind == "agent" else []


def _id(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
