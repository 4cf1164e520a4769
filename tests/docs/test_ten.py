"""The page about the ten agents is held to the code, and its inputs to the tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mesh_agents.checkout import checkout, publish_prices
from mesh_workers.ten import app
from sagamesh import Task
from sagamesh.load import Deck, read_mix
from sagamesh.topology import draw

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "howto" / "ten.md").read_text(encoding="utf-8")


def test_the_picture_is_what_the_command_draws() -> None:
    assert f"```mermaid\n{draw(app, 'mermaid')}\n```" in PAGE, "run `sagamesh topology --mesh ten`"


def test_every_agent_has_its_line() -> None:
    lines = {name: line for line in PAGE.splitlines() for name in re.findall(r"^\| `([a-z]+)` \|", line)}
    assert {name: re.findall(r"`(\w+)`", line)[1:] for name, line in lines.items()} == {
        agent.name: list(agent.capabilities) for agent in app.mesh.agents
    }
    for agent in app.mesh.agents:
        assert [needed for needed in agent.depends_on if needed not in lines[agent.name]] == []


@pytest.mark.parametrize(
    ("task", "name"), [(checkout, "checkout.json"), (publish_prices, "prices.json")], ids=lambda each: str(each)
)
def test_the_inputs_are_what_the_tasks_take(task: Task[Any, Any], name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert task.takes.model_validate_json(text)
    if task is checkout:
        shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
        assert shown == [json.loads(text)]


def test_the_mix_is_one_of_checkouts() -> None:
    deck = Deck(read_mix(DOCS / "load" / "checkouts.json"), checkout, seed=1)
    assert {end for n in range(300) for end in deck.draw(n).expect} >= {
        "completed",
        "PriceChanged",
        "UnknownProduct",
        "Declined",
    }
