"""Results that are kept: returned when a call is repeated, or in place of an answer that cannot be had."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from pydantic import BaseModel
from sqlalchemy import Column, Float, MetaData, String, Table, Text, delete, select
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sagamesh.agent import Agent
from sagamesh.call import current_call
from sagamesh.capability import Capability
from sagamesh.database import Database
from sagamesh.fallback import Kept

__all__ = ["KeptResult", "KeptResults", "ResultStore"]

_log = logging.getLogger("sagamesh.results")

_metadata: Final = MetaData()
_results: Final = Table(
    "kept_results",
    _metadata,
    Column("key", String(400), primary_key=True),
    Column("input", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("until", Float, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A result as JSON, the digest of the input that it answers, and its age in seconds."""

    json: str
    input: str
    age: float


class ResultStore:
    """Keeps results in a SQL database, each until its time has passed.

    async with ResultStore.open("sqlite:///results.db") as results:
        yield Pool(catalog, results=results).serve(search, shop.search)
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Connect to the database, and create the table where it is missing; raises as `Database.open`."""
        async with Database.open(url, _metadata) as database:
            yield cls(database)

    async def get(self, key: str, *, within: timedelta | None = None) -> KeptResult | None:
        """What is kept under a key, if it is not older than `within`."""
        query = select(_results.c.result, _results.c.input, _results.c.at).where(
            _results.c.key == key, _results.c.until > time.time()
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        age = max(0.0, time.time() - row.at)
        return None if within is not None and age > within.total_seconds() else KeptResult(row.result, row.input, age)

    async def put(self, key: str, arg: BaseModel, result: BaseModel, keep: timedelta) -> None:
        """Keep a result, in place of what was kept under the key. What has had its time goes."""
        now = time.time()
        row = {
            "key": key,
            "input": digest(arg),
            "result": result.model_dump_json(),
            "at": now,
            "until": now + keep.total_seconds(),
        }
        async with self._database.transaction() as connection:
            await connection.execute(delete(_results).where(_results.c.until <= now, _results.c.key != key))
            await self._database.put(connection, _results, row)


class KeptResults(Interceptor):
    """Keeps the results of an agent's capabilities as their contracts say."""

    def __init__(self, agent: Agent, store: ResultStore) -> None:
        self._capabilities = {
            capability.type: capability
            for capability in agent.capabilities.values()
            if capability.policy.keep is not None or _longest(capability) is not None
        }
        self._store = store

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """As the base class says."""
        capability = self._capabilities.get(activity.info().activity_type)
        return next if capability is None else _Keeping(next, capability, self._store)


class _Keeping(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, capability: Capability[Any, Any], store: ResultStore) -> None:
        super().__init__(next)
        self._capability = capability
        self._store = store

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        capability, keep = self._capability, self._capability.policy.keep
        [arg] = input.args
        key = f"{current_call().key}:{capability.type}"
        if keep is not None:
            kept = await self._store.get(key)
            if kept is not None and kept.input != digest(arg):
                message = f"{capability.type} was called with another input under the same key before"
                raise ApplicationError(message, {"key": key}, type="KeyReused", non_retryable=True)
            if kept is not None:
                return capability.returns.model_validate_json(kept.json)
        result = await super().execute_activity(input)
        if keep is not None:
            # When this fails, so does the attempt: the next one is answered by an implementation that knows the key.
            await self._store.put(key, arg, result, keep)
        longest = _longest(capability)
        if longest is not None:
            try:
                await self._store.put(last_key(capability, arg), arg, result, longest)
            except (SQLAlchemyError, OSError):
                # The caller has what it asked for. Only who falls back later finds an older result, and its age.
                _log.exception("a result of %s could not be kept for later", capability.type)
        return result


def digest(arg: BaseModel) -> str:
    """Tells inputs apart."""
    return hashlib.sha256(arg.model_dump_json().encode()).hexdigest()


def last_key(capability: Capability[Any, Any], arg: BaseModel) -> str:
    """The key under which the last result for an input is kept."""
    return f"last:{capability.type}:{digest(arg)}"


def _longest(capability: Capability[Any, Any]) -> timedelta | None:
    """For how long others may want the last result; None when nobody does."""
    return max((each.within for each in capability.fallback if isinstance(each, Kept)), default=None)
