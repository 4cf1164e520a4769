"""The database itself is killed, again and again, under orders: none is lost, none is paid twice, no pool ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_workers.books_check import check_books
from sagamesh.chaos import Fault, Schedule
from tests.support.database_servers import remove_data
from tests.whole.conftest import Stack
from tests.whole.orders import Shop, mixed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FAULTS = (
    Fault(at=2, kind="kill", target="database"),
    Fault(at=5, kind="lock", target="inventory", seconds=6),
    Fault(at=6, kind="kill", target="database"),  # what is locked is killed, too
    Fault(at=10, kind="pause", target="database", seconds=3),
    Fault(at=15, kind="kill", target="database"),
)


class PostgresStack(Stack):
    """A stack whose pools keep everything in a PostgreSQL server of the stack."""

    @property
    def environment(self) -> dict[str, str]:
        return {**Stack.environment.fget(self), "SAGAMESH_MESH": "postgres"}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, postgres_installed: None) -> Iterator[PostgresStack]:
    made = PostgresStack(tmp_path_factory.mktemp("database") / "stack")
    made.up()
    try:
        yield made
    finally:
        made.down()
        remove_data(made.folder / "data" / "database")


def restarts(stack: Stack, part: str) -> int:
    [count] = [known["restarts"] for known in stack.state()["parts"] if known["name"] == part]
    assert isinstance(count, int)
    return count


def test_orders_survive_their_database(stack: PostgresStack, tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text(Schedule(seed=1, minutes=0.5, faults=FAULTS).model_dump_json())
    # Recovery is as long as the calls' pauses between attempts; the machine's speed is not what is asked here.
    ran = stack.command(
        *("chaos", "Order", "--mix", "docs/load/orders.json", "--replay", str(file)),
        *("--rate", "6", "--recovery", "90", "--json"),
        timeout=240,
    )
    print(ran.stderr)
    assert ran.stdout, ran.stderr
    report = json.loads(ran.stdout)
    assert report["violations"] == []
    assert ran.returncode == 0
    assert (report["probes"], report["asked"]) == (10, 10)
    # The lock may still be waiting for its turn when the database is killed.
    assert [done["note"] for done in report["done"] if done["note"] and done["fault"]["kind"] != "lock"] == []
    assert report["load"]["sent"] > 30
    assert restarts(stack, "database") == 3
    # Without its database a pool waits; it does not end, and no file stands in.
    assert {name: restarts(stack, name) for name in ("accounts", "inventory", "payment", "notification", "orders")} == {
        "accounts": 0, "inventory": 0, "payment": 0, "notification": 0, "orders": 0,
    }  # fmt: skip
    assert list((stack.folder / "data").glob("*.db")) == []


@pytest.mark.asyncio
async def test_orders_in_flight_when_everything_is_killed_complete_after_the_next_up(stack: PostgresStack) -> None:
    shop = Shop(stack.address, patience=60)
    orders = mixed("blackout", 20)
    for sent in orders:
        await shop.place(sent)
    state = stack.state()
    for pid in (state["supervisor"]["pid"], *(part["process"]["pid"] for part in state["parts"])):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    stack.up("--port", stack.address.rsplit(":", 1)[1], "--ui-port", "0")
    endings = await shop.endings(orders)
    assert [outcome for outcome, _ in endings] == [sent.expected for sent in orders]
    assert (await check_books([ended for _, ended in endings], stack.sources)).violations == ()
