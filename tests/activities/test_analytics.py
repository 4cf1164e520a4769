"""The agents `analytics` and `recommendation` on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from mesh_activities.analytics import Analytics
from mesh_activities.key import KeyReused
from mesh_activities.recommendation import Recommendations
from mesh_agents.analytics import Event, KindFigures, Period, Turnover
from mesh_agents.money import Money
from mesh_agents.recommendation import Bought, Context, Suggestion
from mesh_agents.records import Filed

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(n: int, amount: str | None = None, currency: str = "EUR", *, kind: str = "sold", who: str = "ada") -> Event:
    return Event(
        kind=kind,
        subject=who,
        at=NOON + timedelta(minutes=n),
        record=Filed(collection="orders", name=f"o-{n}", version=1, digest="0" * 64),
        amount=None if amount is None else Money(amount=Decimal(amount), currency=currency),
    )


async def test_a_record_counts_once(database_url: str) -> None:
    async with Analytics.open(database_url) as analytics:
        told = [
            event(0, "10.10"),
            event(1, "0.20", who="bob"),
            event(2, "7", "JPY"),
            event(3, kind="seen"),
            event(60, "99"),
        ]
        answers = await asyncio.gather(*(analytics.record(each) for each in [*told, *told]))
        assert {each.event for each in answers} == {f"orders/o-{n}@1" for n in (0, 1, 2, 3, 60)}
        with pytest.raises(KeyReused):
            await analytics.record(event(0, "10.11"))

        hour = Period(since=NOON, until=NOON + timedelta(hours=1))
        euros = Turnover(amount=Decimal("10.30"), currency="EUR")
        yen = Turnover(amount=Decimal(7), currency="JPY")
        sold = KindFigures(kind="sold", events=3, subjects=2, turnover=(euros, yen))
        assert (await analytics.summary(hour)).kinds == (
            KindFigures(kind="seen", events=1, subjects=1, turnover=()),
            sold,
        )
        assert (await analytics.summary(hour.model_copy(update={"kind": "sold"}))).kinds == (sold,)
        earlier = Period(since=NOON - timedelta(hours=1), until=NOON)
        assert (await analytics.summary(earlier)).kinds == ()


async def test_what_was_bought_together_is_suggested(database_url: str) -> None:
    async with Recommendations.open(database_url) as adviser:
        assert (await adviser.suggest(Context(skus=("tea",)))).suggestions == ()
        bought = [("tea", "cup"), ("tea", "cup", "pot"), ("tea",), ("book",)] * 2
        told = [Bought(event=f"e-{n}", skus=skus) for n, skus in enumerate(bought)]
        # Each twice, all at once, in whichever order.
        answers = await asyncio.gather(*(adviser.learn(each) for each in [*told, *reversed(told)]))
        assert max(answer.purchases for answer in answers) == len(told)
        with pytest.raises(KeyReused):
            await adviser.learn(Bought(event="e-0", skus=("tea",)))

        assert (await adviser.suggest(Context(skus=("tea",)))).suggestions == (
            Suggestion(sku="cup", score=0.8165),
            Suggestion(sku="pot", score=0.5774),
        )
        assert [each.sku for each in (await adviser.suggest(Context(skus=("tea", "cup")))).suggestions] == ["pot"]
        # Nothing goes with it, so what most people buy.
        assert (await adviser.suggest(Context(skus=("book",), limit=1))).suggestions == (
            Suggestion(sku="tea", score=0.75),
        )
        assert len((await adviser.suggest(Context())).suggestions) == 4
