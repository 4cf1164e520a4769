"""The checkout: it does what recorded histories say, and undoes what it must."""

from __future__ import annotations

import re

import pytest

from mesh_workers.ten import app
from sagamesh.replay import advice, changed_fingerprint, read_history, replay
from tests.mesh.paths import PATHS, Path
from tests.mesh.recording import HISTORIES, golden

GOLDENS = sorted(HISTORIES.glob("*.json"))
ADVICE = advice("run scripts/record-histories")


def _calls(path: Path, *, inline: bool = False) -> list[str]:
    """The calls of a golden, in the order in which they were made."""
    text = (HISTORIES / f"{golden(path, inline=inline)}.txt").read_text()
    return re.findall(r"^(?:local )?activity (\S+)", text, re.MULTILINE)


def test_there_is_a_golden_of_every_path_and_no_other() -> None:
    assert {path.stem for path in GOLDENS} == {
        golden(path, inline=inline) for path in PATHS for inline in (False, True)
    }


@pytest.mark.asyncio
async def test_the_tasks_still_do_what_they_did() -> None:
    histories = [read_history(path) for path in GOLDENS]

    found = await replay(histories, workflows=app.workflow_classes(), plugin=app.plugin())

    assert all(verdict.ok for verdict in found), "\n".join(str(v) for v in found if not v.ok) + f"\n\n{ADVICE}"


@pytest.mark.asyncio
async def test_each_golden_is_what_its_fingerprint_says() -> None:
    changed = {path.stem: await changed_fingerprint(path) for path in GOLDENS}

    assert not any(changed.values()), f"{changed}\n\n{ADVICE}"


@pytest.mark.parametrize("inline", [False, True], ids=["pools", "inline"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_golden_takes_the_path_that_it_is_called_after(path: Path, inline: bool) -> None:
    name = golden(path, inline=inline)
    assert path.ends in (HISTORIES / f"{name}.txt").read_text()
    text = (HISTORIES / f"{name}.json").read_text()
    assert not re.findall(r"stackTrace|/(?:home|root|tmp|usr|work|Users)/|\d+@[\w.-]+", text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) == {"recorded"}


@pytest.mark.parametrize(
    ("name", "undone"),
    [
        ("checkout-not-signed-in", []),
        ("checkout-price-changed", ["cart.reopen", "cart.remove"]),
        ("checkout-cancelled", ["cart.reopen", "cart.remove"]),
        ("checkout-declined", ["payment.refund", "inventory.release", "cart.reopen", "cart.remove"]),
        ("checkout-not-counted", []),
    ],
)
@pytest.mark.parametrize("inline", [False, True], ids=["pools", "inline"])
def test_what_cannot_be_sold_leaves_the_cart_as_it_was(name: str, undone: list[str], inline: bool) -> None:
    [path] = [path for path in PATHS if path.name == name]
    undos = {"cart.reopen", "cart.remove", "payment.refund", "inventory.release"}
    assert [call for call in _calls(path, inline=inline) if call in undos] == undone


def test_what_the_checkout_calls_it_declares() -> None:
    for path in PATHS:
        assert {call.partition(".")[0] for call in _calls(path)} <= {agent.name for agent in path.task.uses}
