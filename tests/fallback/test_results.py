"""Kept results, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from sagamesh import Agent, Message, hours
from sagamesh.results import KeptResults, ResultStore

pytestmark = pytest.mark.asyncio


class Ask(Message):
    n: int


class Said(Message):
    text: str


speaker = Agent("speaker")
say = speaker.capability("say", takes=Ask, returns=Said, keep=hours(1))


class _Implementation(ActivityInboundInterceptor):
    """Says another thing each time."""

    def __init__(self) -> None:
        self.calls = 0

    async def execute_activity(self, input: ExecuteActivityInput) -> Said:
        self.calls += 1
        return Said(text=f"{self.calls}")


async def _called(store: ResultStore, next: _Implementation, ask: Ask, *, task: str = "t-1") -> Any:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id=task, activity_id="speaker.say", activity_type=say.type)

    async def call() -> Any:
        guard = KeptResults(speaker, store).intercept_activity(next)
        return await guard.execute_activity(
            ExecuteActivityInput(fn=lambda _: None, args=[ask], executor=None, headers={})
        )

    return await environment.run(call)


async def test_a_repeated_call_is_answered_by_what_is_kept(database_url: str) -> None:
    said = _Implementation()
    async with ResultStore.open(database_url) as store:
        assert await _called(store, said, Ask(n=1)) == Said(text="1")
        assert await _called(store, said, Ask(n=1)) == Said(text="1")
        assert await _called(store, said, Ask(n=1), task="t-2") == Said(text="2")
    assert said.calls == 2


async def test_the_same_key_with_another_input_is_refused(database_url: str) -> None:
    said = _Implementation()
    async with ResultStore.open(database_url) as store:
        await _called(store, said, Ask(n=1))
        with pytest.raises(ApplicationError) as caught:
            await _called(store, said, Ask(n=2))
    assert (caught.value.type, caught.value.non_retryable, said.calls) == ("KeyReused", True, 1)


async def test_what_has_had_its_time_is_gone(database_url: str) -> None:
    async with ResultStore.open(database_url) as store:
        await store.put("old", Ask(n=1), Said(text="old"), timedelta(milliseconds=1))
        await asyncio.sleep(0.01)
        assert await store.get("old") is None
        await store.put("new", Ask(n=1), Said(text="new"), timedelta(hours=1))
        assert await store.get("new", within=timedelta(microseconds=1)) is None
        kept = await store.get("new", within=timedelta(hours=1))
    assert kept is not None
    assert Said.model_validate_json(kept.json) == Said(text="new")


async def test_two_at_once_leave_one(database_url: str) -> None:
    async with ResultStore.open(database_url) as store:
        await asyncio.gather(*(store.put("same", Ask(n=1), Said(text=str(n)), timedelta(hours=1)) for n in range(10)))
        assert await store.get("same") is not None
