"""Records in a SQL database: versions are added, none is changed or removed."""

from __future__ import annotations

import json
from itertools import groupby

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.chain import FIRST, Link, breaks, canonical, digest_of
from mesh_activities.columns import Instant
from mesh_activities.effects import Effects
from mesh_activities.store import Store
from mesh_agents.records import Filed, Listed, Listing, NewRecord, Record, RecordRef, UnknownRecord
from sagamesh import current_call

__all__ = ["Records", "metadata"]

metadata = MetaData()

_journal = Effects.journal("records", metadata)
_newest = Table(
    "records_newest",
    metadata,
    Column("collection", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", String, nullable=False),
)
_versions = Table(
    "records_versions",
    metadata,
    Column("collection", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", Text, nullable=False, comment="canonical JSON, of which the digest is"),
    Column("digest", String, nullable=False),
    Column("filed_at", Instant, nullable=False),
)


class Records(Store):
    """Serves the agent `records`."""

    metadata = metadata
    journal = _journal

    async def put(self, record: NewRecord) -> Filed:
        """Keep it as the next version of its name.

        Raises:
            KeyReused: the same step put something else before.
        """

        async def append(connection: AsyncConnection) -> Filed:
            place = {"collection": record.collection, "name": record.name}
            await self._database.insert_new(connection, _newest, {**place, "version": 0, "digest": FIRST})
            named = (_newest.c.collection == record.collection) & (_newest.c.name == record.name)
            # Locked, so that two versions are never both the next one.
            last = (await connection.execute(select(_newest).where(named).with_for_update())).one()
            body = canonical(record.body)
            new = {"version": last.version + 1, "digest": digest_of(last.digest, body)}
            await connection.execute(insert(_versions).values(**place, **new, body=body, filed_at=self._now()))
            await connection.execute(update(_newest).where(named).values(**new))
            return Filed(**place, **new)

        return await self._effects.once(current_call().key, record, Filed, append)

    async def get(self, ref: RecordRef) -> Record:
        """The version that is named, else the newest.

        Raises:
            UnknownRecord: as the contract says.
        """
        wanted = select(_versions).where((_versions.c.collection == ref.collection) & (_versions.c.name == ref.name))
        if ref.version is not None:
            wanted = wanted.where(_versions.c.version == ref.version)
        async with self._database.reading() as connection:
            found = (await connection.execute(wanted.order_by(_versions.c.version.desc()).limit(1))).one_or_none()
        if found is None:
            which = f"{ref.collection}/{ref.name}" + (f", version {ref.version}" if ref.version else "")
            raise UnknownRecord(f"there is no record {which}", **ref.model_dump())
        filed = Filed(collection=found.collection, name=found.name, version=found.version, digest=found.digest)
        return Record(filed=filed, body=json.loads(found.body), filed_at=found.filed_at)

    async def page(self, listing: Listing) -> Listed:
        """The records of a collection, a page of them."""
        wanted = (
            select(_newest)
            .where((_newest.c.collection == listing.collection) & (_newest.c.name > listing.after))
            .order_by(_newest.c.name)
            .limit(listing.limit + 1)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).mappings().all()
        return Listed(records=tuple(Filed(**row) for row in rows[: listing.limit]), more=len(rows) > listing.limit)

    async def audit(self) -> list[str]:
        """What was changed after it was filed, or is missing, a sentence each; empty when nothing is."""
        in_order = select(_versions).order_by(_versions.c.collection, _versions.c.name, _versions.c.version)
        async with self._database.reading() as connection:
            rows = (await connection.execute(in_order)).all()
            heads = {(row.collection, row.name): row for row in await connection.execute(select(_newest))}
        found = []
        for place, versions in groupby(rows, key=lambda row: (row.collection, row.name)):
            links = [Link(row.version, row.body, row.digest) for row in versions]
            found += breaks("/".join(place), links)
            head = heads.pop(place, None)
            if head is None or (head.version, head.digest) != (links[-1].version, links[-1].digest):
                found.append(f"{'/'.join(place)}: its newest version is not the last one that is kept")
        return found + [f"{'/'.join(place)}: no version is kept" for place in heads]
