"""The agent `records` on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from mesh_activities.key import KeyReused
from mesh_activities.records import Records, metadata
from mesh_agents.records import Filed, Listing, NewRecord, RecordRef, UnknownRecord
from sagamesh.database import Database
from tests.support.attempts import AsCall

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def put(store: Records, as_call: AsCall, key: str, name: str, n: int) -> Filed:
    record = NewRecord(collection="orders", name=name, body={"n": n, "names": ["Zoë", None], "deep": {"x": 1.5}})
    return await as_call(key, "records.put").run(store.put, record)


async def test_versions_are_added_and_none_is_changed(database_url: str, as_call: AsCall) -> None:
    async with Records.open(database_url, now=lambda: NOON) as store:
        first = await put(store, as_call, "t-1", "o-1", 1)
        second = await put(store, as_call, "t-2", "o-1", 2)
        assert [first.version, second.version] == [1, 2]
        assert await put(store, as_call, "t-1", "o-1", 1) == first
        with pytest.raises(KeyReused):
            await put(store, as_call, "t-1", "o-1", 3)
    async with Records.open(database_url) as store:
        newest = await store.get(RecordRef(collection="orders", name="o-1"))
        assert (newest.filed, newest.body["n"], newest.filed_at) == (second, 2, NOON)
        assert newest.body == {"n": 2, "names": ["Zoë", None], "deep": {"x": 1.5}}
        assert (await store.get(RecordRef(collection="orders", name="o-1", version=1))).filed == first
        assert await store.audit() == []
        for unknown in (
            RecordRef(collection="orders", name="o-1", version=3),
            RecordRef(collection="drafts", name="o-1"),
        ):
            with pytest.raises(UnknownRecord) as refused:
                await store.get(unknown)
            assert refused.value.details == (unknown.model_dump(),)


async def test_a_collection_is_read_page_by_page(database_url: str, as_call: AsCall) -> None:
    async with Records.open(database_url) as store:
        # At once: each name has its own versions, and none is lost.
        await asyncio.gather(*(put(store, as_call, f"t-{n}", f"o-{n % 5}", n) for n in range(10)))
        first = await store.page(Listing(collection="orders", limit=3))
        rest = await store.page(Listing(collection="orders", after=first.records[-1].name, limit=3))
        assert [each.name for each in first.records + rest.records] == [f"o-{n}" for n in range(5)]
        assert [first.more, rest.more] == [True, False]
        assert {each.version for each in first.records + rest.records} == {2}
        assert (await store.page(Listing(collection="drafts"))).records == ()
        assert await store.audit() == []


async def test_what_was_changed_behind_its_back_is_found(database_url: str, as_call: AsCall) -> None:
    async with Records.open(database_url) as store, Database.open(database_url, metadata) as database:
        for n in (1, 2, 3):
            await put(store, as_call, f"t-{n}", "o-1", n)
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE records_versions SET body = '{}' WHERE version = 2"))
        assert await store.audit() == ["orders/o-1: version 2 is not what was filed"]
        async with database.transaction() as connection:
            await connection.execute(text("DELETE FROM records_versions WHERE version = 3"))
        assert (await store.audit())[1:] == ["orders/o-1: its newest version is not the last one that is kept"]
