"""What a project's own tests stand on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mesh_agents import accounts, inventory
from sagamesh import BusinessError, Client, Pool, SagameshPlugin
from sagamesh.errors import DefinitionError, TaskFailed
from sagamesh.testing import Fakes, served, time_skipping
from sagamesh.testing.environment import binary
from tests.support import deeds, flows, questions
from tests.support.deeds import Deed, Done, Plan

USER = accounts.User(user_id="ada", name="Ada", email="ada@example.org", approval_limit=Decimal(1))


class NoWay(BusinessError):
    """An answer."""


@pytest.mark.asyncio
async def test_days_pass_at_once_and_agents_answer_as_told() -> None:
    """One environment for all of it: starting it is what takes the time."""
    fakes = Fakes(deeds.works).on(deeds.first, Done(what="first")).on(deeds.undo_first, Done(what="undone"))
    plugin = SagameshPlugin(passthrough=("mesh_agents", "tests"))
    tasks = Pool("deeds").host(questions.Asking.task, questions.Asking).host(flows.Chain.task, flows.Chain)
    async with time_skipping(plugin) as environment, served(environment.client, fakes.pools(), tasks):
        client = Client(environment.client)
        handle = await client.start(questions.Asking.task, Plan(approval_seconds=3 * 86400), id="a-1")
        with pytest.raises(TaskFailed) as unanswered:
            await handle.result()

        fakes.on(deeds.second, NoWay("no"), Done(what="second")).on(deeds.undo_second, Done(what="undone"))
        with pytest.raises(TaskFailed) as untold:
            await (await client.start(flows.Chain.task, Plan(), id="c-1")).result()
        fakes.on(deeds.second, lambda deed: Done(what=deed.what)).on(deeds.finish, later)
        report = await (await client.start(flows.Chain.task, Plan(), id="c-2")).result()

    nothing_said = "works.extra: the test says nothing about works.extra: Fakes.on(works.extra, ...)"
    assert unanswered.value.failure.type == "ApprovalTimedOut"
    assert untold.value.failure.type == "NoWay"
    assert report.said == "without extra: NoFakeAnswer: " + nothing_said
    assert [call.arg for call in fakes.called(deeds.finish)] == [deeds.DEED]
    assert [call.call.attempt for call in fakes.called(deeds.first)] == [1, 1, 1]
    assert fakes.called(deeds.third) == []


async def later(deed: Deed) -> Done:
    return Done(what=deed.what)


def test_an_answer_is_needed() -> None:
    with pytest.raises(ValueError, match=r"accounts\.validate: give at least one answer"):
        Fakes(accounts.accounts).on(accounts.validate)


def test_each_agent_gets_a_pool() -> None:
    pools = Fakes(accounts.accounts, inventory.inventory).on(accounts.validate, USER).pools()

    assert [pool.queue for pool in pools] == ["accounts", "inventory"]
    for pool in pools:
        pool.check()


def test_a_program_that_is_not_installed_names_the_extra() -> None:
    with pytest.raises(DefinitionError, match=r"pip install 'sagamesh\[stack\]'"):
        binary("no-such-program-anywhere", "sagamesh[stack]")
