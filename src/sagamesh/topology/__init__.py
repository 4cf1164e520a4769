"""The picture of a mesh, from the same values that run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from sagamesh.topology.document import document
from sagamesh.topology.picture import Picture, picture
from sagamesh.topology.svg import svg
from sagamesh.topology.text import dot, mermaid

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.discovery import QueueState

__all__ = ["FORMATS", "draw"]

_DRAWN: Final[Mapping[str, Callable[[Picture], str]]] = {"mermaid": mermaid, "dot": dot, "svg": svg}

FORMATS: Final = (*_DRAWN, "json")


def draw(app: App, format: str, live: Iterable[QueueState] = ()) -> str:
    """The mesh as text in one of `FORMATS`.

    - `live`: how its queues stand, as `describe_app` tells; with them the picture shows who works and what waits.

    Raises:
        KeyError: for another format.
    """
    states = {state.queue: state for state in live}
    return document(app, states) if format == "json" else _DRAWN[format](picture(app, states))
