"""`sagamesh agents`: limits, backlogs, and who waits; `sagamesh start`: priority and weight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.common import Priority

from tests.cli.shop import ROOT, CommandLine, Ran
from tests.limits import shops
from tests.limits.conftest import Book, Hall

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = """
from sagamesh import App, Mesh
from tests.limits import shops

def pool():
    raise NotImplementedError

app = App(
    mesh=Mesh(*shops.AGENTS),
    tasks=(shops.crowd,),
    contracts=("tests",),
    pools=dict.fromkeys(("limited", "shared", "till", "desk", "crowds"), "shop_app:pool"),
)
"""

Sagamesh = Callable[..., Awaitable[Ran]]


@pytest.fixture
def sagamesh(hall: Hall, tmp_path: Path) -> Sagamesh:
    """The command line, while the agents go on."""
    (tmp_path / "shop_app.py").write_text(APP, encoding="utf-8")
    address = hall.temporal.service_client.config.target_host
    command = CommandLine(tmp_path, address, {"PYTHONPATH": f"{tmp_path}:{ROOT}"})

    async def run(*arguments: str, stdin: str | None = None) -> Ran:
        return await asyncio.to_thread(command, *arguments, stdin=stdin)

    return run


async def test_limits_and_backlogs(hall: Hall, sagamesh: Sagamesh) -> None:
    async with hall.serving(Book().pool(shops.shared), Book().pool(shops.till)):
        handles = [await hall.start("desk.ask", priority=priority, count=2) for priority in (1, 5)]
        await hall.backlog("desk", 4)
        # The rate of a queue comes with the first call for work.
        ran = await sagamesh("agents")
        found = {row["queue"]: row for row in (await sagamesh("agents", "--json")).json}

    lines = {line.split()[0]: line for line in ran.out.splitlines()}
    assert list(lines) == ["agent", "limited", "shared", "till", "till/bank", "desk", "crowds"]
    assert "10/s a tenant" in lines["shared"]
    assert " 5/s " in lines["till/bank"]
    assert "4 (1: 2, 5: 2)" in lines["desk"]
    assert found["shared"]["tenant_limit"] == 10
    assert found["till/bank"]["limit"] == {"rate": 5, "declared": True}
    assert found["till"]["limit"] is None
    assert [(each["priority"], each["waiting"]) for each in found["desk"]["by_priority"]] == [(1, 2), (5, 2)]
    async with hall.serving(Book().pool(shops.desk)):
        for handle in handles:
            await handle.result(timeout=timedelta(seconds=60))


async def test_who_waits(hall: Hall, sagamesh: Sagamesh) -> None:
    handle = await hall.start("desk.ask", tenant="ada", priority=2)
    await hall.waiting("desk", 1)

    only = await sagamesh("agents", "desk")
    text = await sagamesh("agents", "desk", "--waiting")
    found = (await sagamesh("agents", "desk", "--waiting", "--json")).json
    nobody = await sagamesh("agents", "till/bank", "--waiting")

    assert [line.split()[0] for line in only.out.splitlines()] == ["agent", "desk"]
    assert text.out.splitlines()[0].split() == [
        "task",
        "customer",
        "waits",
        "for",
        "queue",
        "priority",
        "attempt",
        "for",
    ]
    assert text.out.splitlines()[1].split()[:6] == [handle.id, "ada", "desk.ask", "desk", "2", "1"]
    assert found["looked_at"] == found["open"] >= 1
    [call] = found["waiting"]
    assert {**call, "since": ""} == {
        "task_id": handle.id,
        "task": "Crowd",
        "customer": "ada",
        "tenant": "ada",
        "capability": "desk.ask",
        "queue": "desk",
        "priority": 2,
        "attempt": 1,
        "since": "",
    }
    assert nobody.out == "Nobody waits for till/bank.\n"
    async with hall.serving(Book().pool(shops.desk)):
        await handle.result(timeout=timedelta(seconds=60))


async def test_an_agent_that_there_is_not(sagamesh: Sagamesh) -> None:
    ran = await sagamesh("agents", "dask")

    assert ran.code == 2
    assert "did you mean desk" in ran.err


async def test_a_task_with_priority_and_weight(hall: Hall, sagamesh: Sagamesh) -> None:
    calls = json.dumps({"tenant": "ada", "capability": "desk.ask"})
    book = Book()
    async with hall.serving(book.pool(shops.desk)):
        ran = await sagamesh(
            "start", "Crowd", "-i", "-", "--id", "cli-1", "--priority", "2", "--weight", "5", "--wait", stdin=calls
        )

    assert ran.code == 0
    assert [each.priority for each in book.served] == [Priority(2, "ada", 5.0)]


@pytest.mark.parametrize("option", [("--weight", "0"), ("--priority", "6")])
async def test_what_is_no_priority_or_weight(sagamesh: Sagamesh, option: tuple[str, str]) -> None:
    ran = await sagamesh("start", "Crowd", "-i", "-", *option, stdin="{}")

    assert ran.code == 2
    assert option[0] in ran.err
