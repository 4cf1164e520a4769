"""The picture of a mesh, in each of its forms, with and without how it stands now."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from mesh_workers import ten, zones
from sagamesh import App, Mesh
from sagamesh.breaker.notice import Notice
from sagamesh.discovery import Kind, QueueState
from sagamesh.topology import FORMATS, draw
from sagamesh.topology.picture import picture

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def state(queue: str, workers: int = 1, backlog: int = 0, *, kind: Kind = "agent", held: bool = False) -> QueueState:
    """How one queue stands."""
    return QueueState(
        serves=queue,
        kind=kind,
        queue=queue,
        workers=tuple(f"{n}@h" for n in range(workers)),
        last_seen=NOW,
        backlog=backlog,
        oldest=timedelta(seconds=3 if backlog else 0),
        added=0,
        dispatched=0,
        breakers=(Notice("gateway", "open", NOW, cause='said "no" <again>'),) if held else (),
    )


LIVE = (
    state("records"),
    state("cart", workers=0, backlog=1_234),
    state("catalog", workers=2, backlog=3),
    state("payment", held=True),
    state("orders", kind="tasks"),
    state("routing", workers=0, kind="tasks"),
)


@pytest.mark.parametrize("app", [ten.app, zones.app], ids=["ten", "zones"])
def test_every_arrow_of_a_dependency_points_to_a_column_further_right(app: App) -> None:
    drawn = picture(app, {})
    column = {box.name: n for n, boxes in enumerate(drawn.columns) for box in boxes}
    assert set(column) == {agent.queue for agent in app.mesh.agents} | {task.name for task in app.tasks}
    assert all(column[arrow.source] < column[arrow.target] for arrow in drawn.arrows)
    wanted = {(a.queue, n) for a in app.mesh.agents for n in a.depends_on}
    assert {(arrow.source, arrow.target) for arrow in drawn.arrows if arrow.kind == "depends"} == wanted


def test_how_it_stands_now_in_mermaid_and_dot() -> None:
    drawn = draw(ten.app, "mermaid", LIVE)
    assert '  records["records<br/>1 worker<br/><i>put<br/>get<br/>list</i>"]' in drawn
    assert "cart<br/>nobody, 1,234 waiting<br/>" in drawn
    assert "catalog<br/>2 workers, 3 waiting<br/>" in drawn
    assert "payment<br/>1 worker<br/>breaker gateway open<br/>" in drawn
    assert '  Checkout(["Checkout<br/>1 worker"])' in drawn
    assert '  Central(["Central<br/>nobody on routing"])' in drawn
    assert [line for line in drawn.splitlines() if line.startswith("  class ")] == [
        "  class catalog waiting",
        "  class payment held",
        "  class Central,Negotiated,cart nobody",
    ]
    assert "class" not in draw(ten.app, "mermaid")
    drawn = draw(ten.app, "dot", LIVE)
    assert '"payment" [label="payment\\n1 worker\\nbreaker gateway open\\ncharge\\nrefund", style=filled' in drawn
    assert '"Central" [shape=ellipse, label="Central\\nnobody on routing", style=filled' in drawn


def test_how_it_stands_now_in_json() -> None:
    drawn = json.loads(draw(ten.app, "json", LIVE))
    agents = {agent["name"]: agent for agent in drawn["agents"]}
    assert agents["cart"]["live"] == {
        "alive": False,
        "workers": 0,
        "backlog": 1234,
        "oldest_seconds": 3,
        "breakers": [],
    }
    assert agents["payment"]["live"]["breakers"] == [{"key": "gateway", "state": "open"}]
    assert "live" not in agents["identity"]
    assert drawn["layers"][0] == ["records", "accounts"]


@pytest.mark.parametrize("app", [ten.app, zones.app], ids=["ten", "zones"])
def test_a_drawing_shows_every_box_once_and_none_on_another(app: App) -> None:
    root = ET.fromstring(draw(app, "svg", LIVE))  # noqa: S314  # our own text
    boxes = root.findall(f"{SVG}g/{SVG}rect")
    texts = [[text.text for text in group.findall(f"{SVG}text")] for group in root.findall(f"{SVG}g")]
    assert sorted(str(lines[0]) for lines in texts) == sorted(
        [agent.queue for agent in app.mesh.agents] + [task.name for task in app.tasks]
    )
    places = [[float(box.get(key, "")) for key in ("x", "y", "width", "height")] for box in boxes]
    for n, (x, y, width, height) in enumerate(places):
        assert x + width <= float(root.get("width", ""))
        assert y + height <= float(root.get("height", ""))
        for other_x, other_y, other_width, other_height in places[:n]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height
    assert len(root.findall(f"{SVG}path")) == len(picture(app, {}).arrows)


def test_an_app_without_anything_is_drawn_too() -> None:
    for form in FORMATS:
        assert draw(App(Mesh()), form)
