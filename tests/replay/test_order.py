"""The gate on the order task: goldens of every path, and changes that it must catch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mesh_workers import app
from sagamesh.plugin import SagameshPlugin
from sagamesh.replay import Verdict, advice, changed_fingerprint, read_history, replay
from tests.replay.order_seeds import PATCHED, SEEDS, Seed
from tests.replay.paths import PATHS, OrderPath
from tests.replay.recording import HISTORIES, REFUSED, golden
from tests.replay.seeding import agents_of, seeded

GOLDENS = sorted(HISTORIES.glob("*.json"))
ADVICE = advice("run scripts/record-histories")


def _failed(found: list[Verdict]) -> str:
    return "\n".join(str(verdict) for verdict in found if not verdict.ok)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


async def _replayed(seed: Seed, folder: Path) -> list[Verdict]:
    workflow = seeded(seed, folder)
    plugin = SagameshPlugin(passthrough=(agents_of(seed),))
    return await replay([read_history(path) for path in GOLDENS], workflows=[workflow], plugin=plugin)


def test_there_is_a_golden_of_every_path_and_no_other() -> None:
    assert {path.stem for path in GOLDENS} == {
        golden(path, inline=inline) for path in PATHS for inline in (False, True)
    }


@pytest.mark.asyncio
async def test_the_order_still_does_what_it_did() -> None:
    histories = [read_history(path) for path in GOLDENS]

    found = await replay(histories, workflows=app.workflow_classes(), plugin=app.plugin())

    assert all(v.ok for v in found), f"\n{_failed(found)}\n\n{ADVICE}"


@pytest.mark.asyncio
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
async def test_a_golden_is_what_its_fingerprint_says(path: Path) -> None:
    difference = await changed_fingerprint(path)

    assert not difference, f"\n{difference}\n\n{ADVICE}"


@pytest.mark.parametrize("inline", [False, True], ids=["pools", "inline"])
@pytest.mark.parametrize("taken", PATHS, ids=lambda taken: taken.name)
def test_a_golden_takes_the_path_that_it_is_called_after(taken: OrderPath, inline: bool) -> None:
    text = (HISTORIES / f"{golden(taken, inline=inline)}.txt").read_text()

    assert taken.ends in text


@pytest.mark.parametrize("path", [*GOLDENS, *sorted(REFUSED.glob("*.json"))], ids=lambda path: path.stem)
def test_a_golden_tells_nothing_of_the_machine_that_recorded_it(path: Path) -> None:
    text = path.read_text()

    assert not re.findall(r"stackTrace|/(?:home|root|tmp|usr|work|Users)/|\d+@[\w.-]+", text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) == {"recorded"}


@pytest.mark.asyncio
async def test_a_history_of_another_order_is_refused() -> None:
    refused = [read_history(path) for path in sorted(REFUSED.glob("*.json"))]

    found = await replay(refused, workflows=app.workflow_classes(), plugin=app.plugin())

    assert [verdict.ok for verdict in found] == [False]
    assert "history has activity inventory.reserve (event 5)" in str(found[0])
    assert "the code now issues activity accounts.validate, which comes later in the history" in str(found[0])


def test_there_are_enough_seeds() -> None:
    assert len(SEEDS) >= 12
    assert len({seed.name for seed in SEEDS + PATCHED}) == len(SEEDS + PATCHED)


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
async def test_a_change_is_caught(seed: Seed, folder: Path) -> None:
    text = _failed(await _replayed(seed, folder))

    missing = [word for word in seed.words if word not in text]
    assert not missing, f"{missing} not in:\n{text or 'every golden passes'}"


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", PATCHED, ids=lambda seed: seed.name)
async def test_a_change_behind_a_patch_passes(seed: Seed, folder: Path) -> None:
    found = await _replayed(seed, folder)

    assert all(v.ok for v in found), _failed(found)


def test_a_seed_that_no_longer_fits_the_code_fails_loudly(folder: Path) -> None:
    with pytest.raises(ValueError, match="occurs 0 times in order, not once"):
        seeded(Seed("gone", "order", "no such line", "", ()), folder)
