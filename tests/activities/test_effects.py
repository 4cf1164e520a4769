"""Effects that happen once, on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.effects import Effects
from mesh_activities.key import CalledOff, KeyReused
from sagamesh import Message
from sagamesh.database import Database

pytestmark = pytest.mark.asyncio

_metadata = MetaData()
_journal = Effects.journal("test", _metadata)
_done = Table("test_done", _metadata, Column("n", Integer, primary_key=True), Column("what", String))


class Asked(Message):
    """What is to be done."""

    what: str


class Answer(Message):
    """The how manieth it was."""

    n: int


class Deeds:
    """Writes a row for each deed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.effects = Effects(database, _journal)

    async def do(self, key: str, what: str) -> int:
        async def doing(connection: AsyncConnection) -> Answer:
            n = len((await connection.execute(select(_done))).all())
            await connection.execute(insert(_done).values(n=n, what=what))
            if what == "bad":
                raise ValueError("no")
            return Answer(n=n)

        return (await self.effects.once(key, Asked(what=what), Answer, doing)).n

    async def undo(self, key: str) -> list[int]:
        undone: list[int] = []

        async def undoing(_: AsyncConnection, did: Answer | None) -> Answer:
            if did is not None:
                undone.append(did.n)
            return Answer(n=-1)

        assert await self.effects.undo(key, Answer, Answer, undoing) == Answer(n=-1)
        return undone

    async def rows(self) -> list[str]:
        async with self.database.reading() as connection:
            return [row.what for row in await connection.execute(select(_done).order_by(_done.c.n))]


@pytest_asyncio.fixture
async def deeds(database_url: str) -> AsyncIterator[Deeds]:
    async with Database.open(database_url, _metadata) as database:
        yield Deeds(database)


async def test_one_key_is_one_effect_and_one_answer(deeds: Deeds) -> None:
    assert [await deeds.do("a", "first"), await deeds.do("b", "second"), await deeds.do("a", "first")] == [0, 1, 0]
    with pytest.raises(KeyReused) as reused:
        await deeds.do("a", "another")
    assert reused.value.details == ({"key": "a"},)
    with pytest.raises(ValueError, match="no"):
        await deeds.do("c", "bad")
    assert await deeds.do("c", "third") == 2  # what failed has left nothing, not even its key
    assert await deeds.rows() == ["first", "second", "third"]


async def test_many_at_once_are_one(deeds: Deeds) -> None:
    assert set(await asyncio.gather(*(deeds.do("a", "first") for _ in range(8)))) == {0}
    assert await deeds.rows() == ["first"]


async def test_an_undo_happens_once_and_forbids_what_comes_late(deeds: Deeds) -> None:
    await deeds.do("a", "first")
    assert [await deeds.undo("a"), await deeds.undo("a"), await deeds.undo("never")] == [[0], [], []]
    for key in ("a", "never"):
        with pytest.raises(CalledOff) as refused:
            await deeds.do(key, "first")
        assert refused.value.details == ({"key": key},)
    assert await deeds.rows() == ["first"]
