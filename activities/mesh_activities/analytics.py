"""Analytics: events in a SQL database, and their figures."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.columns import Instant
from mesh_activities.effects import Effects
from mesh_activities.store import Store
from mesh_agents.analytics import Event, KindFigures, Period, Recorded, Summary, Turnover
from mesh_agents.money import MINOR_DIGITS
from mesh_agents.records import Filed

__all__ = ["Analytics", "event_id", "metadata"]

metadata = MetaData()

_journal = Effects.journal("analytics", metadata)
_events = Table(
    "analytics_events",
    metadata,
    Column("event", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("record", String, nullable=False, comment="digest of the record in which the whole of it is kept"),
    Column("minor", BigInteger, comment="in the currency's minor unit; NULL for what brought nothing"),
    Column("currency", String),
)
Index("analytics_by_time", _events.c.at)


def event_id(record: Filed) -> str:
    """What the event is called that a record tells of."""
    return f"{record.collection}/{record.name}@{record.version}"


class Analytics(Store):
    """Serves the agent `analytics`. The key of an event is its record: told by whomever, it counts once."""

    metadata = metadata
    journal = _journal

    async def record(self, event: Event) -> Recorded:
        """Count the event.

        Raises:
            KeyReused: its record was told as another event before.
        """
        name = event_id(event.record)

        async def counted(connection: AsyncConnection) -> Recorded:
            values = {
                "event": name,
                "kind": event.kind,
                "subject": event.subject,
                "at": event.at,
                "record": event.record.digest,
                "minor": None if event.amount is None else event.amount.minor,
                "currency": None if event.amount is None else event.amount.currency,
            }
            await connection.execute(insert(_events).values(**values))
            return Recorded(event=name)

        return await self._effects.once(name, event, Recorded, counted)

    async def summary(self, period: Period) -> Summary:
        """The figures of the period."""
        inside = (_events.c.at >= period.since) & (_events.c.at < period.until)
        if period.kind is not None:
            inside &= _events.c.kind == period.kind
        counts = select(_events.c.kind, func.count(), func.count(_events.c.subject.distinct()))
        sums = select(_events.c.kind, _events.c.currency, func.sum(_events.c.minor))
        brought: dict[str, list[Turnover]] = {}
        async with self._database.reading() as connection:
            counted = (
                await connection.execute(counts.where(inside).group_by(_events.c.kind).order_by(_events.c.kind))
            ).all()
            by_currency = sums.where(inside & _events.c.currency.is_not(None))
            by_currency = by_currency.group_by(_events.c.kind, _events.c.currency).order_by(_events.c.currency)
            for kind, currency, minor in await connection.execute(by_currency):
                amount = Decimal(int(minor)).scaleb(-MINOR_DIGITS[currency])
                brought.setdefault(kind, []).append(Turnover(amount=amount, currency=currency))
        return Summary(
            kinds=tuple(
                KindFigures(kind=kind, events=events, subjects=subjects, turnover=tuple(brought.get(kind, ())))
                for kind, events, subjects in counted
            )
        )

    async def told(self) -> dict[str, str]:
        """The records that were told as events: the event, and the digest of the record."""
        async with self._database.reading() as connection:
            return dict((await connection.execute(select(_events.c.event, _events.c.record))).all())
