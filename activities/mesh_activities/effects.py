"""Effects that happen once: a journal in the database in which the effect itself is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import Column, MetaData, String, Table, Text, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.key import CalledOff, KeyReused
from sagamesh.database import Database

__all__ = ["Effects"]

Out = TypeVar("Out", bound=BaseModel)
Undone = TypeVar("Undone", bound=BaseModel)

_NEVER_ASKED: Final = ""


class Effects:
    """The journal of one agent.

    What an effect writes, its key and its answer are one transaction: whoever asks again under the key gets the answer
    again. An undo leaves its mark under the same key, also where there was nothing to undo, by which an attempt that
    comes later refuses itself.

    - `table`: made by `journal`.
    """

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    @staticmethod
    def journal(agent: str, metadata: MetaData) -> Table:
        """The table of the journal, among the agent's own."""
        return Table(
            f"{agent}_effects",
            metadata,
            Column("key", String, primary_key=True, comment="names the effect, see sagamesh.current_call"),
            Column("digest", String, nullable=False, comment="of what was asked for; empty where only the undo came"),
            Column("answer", Text, comment="NULL where only the undo came"),
            Column("undone", Text, comment="the answer of the undo; NULL while the effect stands"),
        )

    async def once(
        self, key: str, asked: BaseModel, returns: type[Out], do: Callable[[AsyncConnection], Awaitable[Out]]
    ) -> Out:
        """Do it, unless it was done under this key; its answer. What `do` raises takes back all that it wrote.

        Raises:
            KeyReused: the key was used to ask for something else.
            CalledOff: it was undone.
        """
        digest = _digest(asked)
        async with self._database.transaction() as connection:
            new = {"key": key, "digest": digest, "answer": None, "undone": None}
            if await self._database.insert_new(connection, self._table, new):
                answer = await do(connection)
                await self._note(connection, key, answer=answer.model_dump_json())
                return answer
            found = (await connection.execute(select(self._table).where(self._table.c.key == key))).one()
        if found.undone is not None:
            raise CalledOff(f"{key} was undone before this attempt came; nothing was done", key=key)
        if found.digest != digest:
            raise KeyReused(f"{key} was asked for something else before; nothing was done", key=key)
        return returns.model_validate_json(found.answer)

    async def undo(
        self,
        key: str,
        did: type[Out],
        returns: type[Undone],
        do: Callable[[AsyncConnection, Out | None], Awaitable[Undone]],
    ) -> Undone:
        """Undo what was done under this key, unless that has happened; the answer of the undo.

        - `do`: is given the answer of the effect, None where it never happened.
        """
        async with self._database.transaction() as connection:
            new = {"key": key, "digest": _NEVER_ASKED, "answer": None, "undone": None}
            await self._database.insert_new(connection, self._table, new)
            locked = select(self._table).where(self._table.c.key == key).with_for_update()
            found = (await connection.execute(locked)).one()
            if found.undone is not None:
                return returns.model_validate_json(found.undone)
            done = None if found.answer is None else did.model_validate_json(found.answer)
            answer = await do(connection, done)
            await self._note(connection, key, undone=answer.model_dump_json())
            return answer

    async def _note(self, connection: AsyncConnection, key: str, **values: str) -> None:
        await connection.execute(update(self._table).where(self._table.c.key == key).values(**values))


def _digest(asked: BaseModel) -> str:
    said = json.dumps(asked.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()
