"""The ten-agent mesh, as one command runs it: a checkout, and what each agent's own database says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from mesh_activities.accounts import Accounts
from mesh_activities.analytics import Analytics
from mesh_activities.cart import Carts
from mesh_activities.catalog import Catalog
from mesh_activities.identity import Identity
from mesh_activities.inventory import Stock
from mesh_activities.recommendation import Recommendations
from mesh_activities.records import Records
from mesh_agents.accounts import UserRef
from mesh_agents.analytics import Period
from mesh_agents.cart import CartRef
from mesh_agents.catalog import Skus
from mesh_agents.checkout import CheckoutResult
from mesh_agents.identity import Claim
from mesh_agents.recommendation import Context
from mesh_agents.records import RecordRef
from mesh_workers.ten import app
from tests.whole.conftest import ROOT, Stack

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

CHECKOUT = json.loads((ROOT / "docs" / "checkout.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class TenStack(Stack):
    """A stack of the ten agents, after which no command names the mesh again."""

    def up(self, *options: str) -> None:
        """Start it; fifteen processes take a while on a machine that has other work."""
        done = self.command("up", "--detach", "--port", "0", *options, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def database(self, agent: str) -> str:
        """The URL of an agent's own database."""
        return f"sqlite:///{self.folder / 'data' / agent}.db"

    def json(self, *arguments: str) -> object:
        """What a command prints as JSON."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ten(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TenStack]:
    """The stack, stopped at the end."""
    made = TenStack(tmp_path_factory.mktemp("ten") / "stack")
    await asyncio.to_thread(made.up, "--mesh", "ten")
    try:
        yield made
    finally:
        await asyncio.to_thread(made.down)


async def test_a_checkout_and_what_became_of_it_everywhere(ten: TenStack, tmp_path: Path) -> None:
    asked = tmp_path / "checkout.json"
    asked.write_text(json.dumps(CHECKOUT), encoding="utf-8")
    done = ten.command("start", "Checkout", "--input", str(asked), "--id", "c-1", "--wait", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = CheckoutResult.model_validate(json.loads(done.stdout)["result"])
    assert (str(result.order.total), result.order.notified, result.problems) == ("64.90 EUR", True, ())

    async with Identity.open(ten.database("identity")) as identity:
        assert (await identity.resolve(Claim(session="demo-ada", user_id="ada"))).roles == ("buyer",)
    async with Accounts.open(ten.database("accounts")) as accounts:
        assert (await accounts.validate(UserRef(user_id="ada"))).name == "Ada Lovelace"
    async with Catalog.open(ten.database("catalog")) as catalog:
        assert len((await catalog.describe(Skus(skus=("book", "lamp", "none")))).products) == 2
    async with Carts.open(ten.database("cart")) as carts:
        cart = await carts.show(CartRef(owner="ada", cart="c-1"))
        assert (cart.version, cart.items) == (2, ())  # filled, then bought
    async with Stock.open(ten.database("inventory")) as stock:
        assert {book.sku: book.sold for book in await stock.books() if book.sold} == {"book": 2, "lamp": 1}
    async with Records.open(ten.database("records")) as records:
        kept = await records.get(RecordRef(collection="orders", name="c-1"))
        assert (kept.filed, await records.audit()) == (result.record, [])
        assert kept.body["order"] == result.order.model_dump(mode="json")
    async with Analytics.open(ten.database("analytics")) as analytics:
        now = datetime.now(UTC)
        [sold] = (await analytics.summary(Period(since=now - timedelta(hours=1), until=now))).kinds
        assert (sold.kind, sold.events, str(sold.turnover[0].amount)) == ("order.completed", 1, "64.90")
    async with Recommendations.open(ten.database("recommendation")) as recommendations:
        [suggested] = (await recommendations.suggest(Context(skus=("book",)))).suggestions
        assert (suggested.sku, suggested.score) == ("lamp", 1.0)


async def test_checkouts_of_every_kind_agree_with_all_the_books(ten: TenStack) -> None:
    mix = str(ROOT / "docs" / "load" / "checkouts.json")
    done = ten.command(
        "load", "Checkout", "--mix", mix, "--count", "20", "--concurrency", "5", "--seed", "3", timeout=300
    )
    assert (done.returncode, "20 of 20 ended as they should; the books agree" in done.stdout) == (0, True), done.stdout


async def test_every_agent_is_alive_in_every_view(ten: TenStack) -> None:
    agents = {agent.name for agent in app.mesh.agents}
    assert len(agents) == 10
    states = ten.json("agents")
    assert isinstance(states, list)
    assert {state["serves"] for state in states if state["alive"]} == agents | {"orders", "routing"}
    status = ten.json("status")
    assert isinstance(status, dict)
    assert status["app"] == "mesh_workers.ten:app"
    assert {part["name"] for part in status["parts"] if part["kind"] == "pool"} == set(app.pools)

    drawn = ten.command("--mesh", "ten", "topology", "--live")
    assert drawn.returncode == 0, drawn.stderr
    shown = {name: line for line in drawn.stdout.splitlines() for name in agents if f"  {name}[" in line}
    assert [name for name in sorted(agents) if "<br/>1 worker<br/>" not in shown[name]] == [], drawn.stdout


async def test_another_mesh_is_refused_while_this_one_runs(ten: TenStack) -> None:
    done = ten.command("up", "--mesh", "zones", "--detach")
    assert done.returncode == 2
    assert "mesh_workers.zones:app was asked for, but process" in done.stderr
    assert "runs mesh_workers.ten:app here" in done.stderr
