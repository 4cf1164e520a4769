"""What ends a ramp from outside: somebody else's decision stays, and what is left in force is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.common import WorkerDeploymentVersion

from sagamesh import Client
from sagamesh.deployments import rollout
from sagamesh.deployments.deployment import Deployment
from sagamesh.deployments.judgement import Figures, Limits
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.rollback import roll_back
from sagamesh.deployments.rollout import Ramp, ramp_out
from sagamesh.deployments.routing import set_current, set_ramp, unset_ramp
from sagamesh.errors import Refused, ServerUnreachable
from tests.deployments.parcels import PARCELS, hosting
from tests.deployments.releasing import polled
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE = Ramp((10, 50, 100), timedelta(0), Limits())
REASON = "prices are wrong"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def both(post: Client) -> AsyncIterator[None]:
    """Workers of two versions."""
    async with AsyncExitStack() as stack:
        for build in ("v1", "v2"):
            await stack.enter_async_context(hosting(post.temporal, build))
            await polled(post, PARCELS, build)
        yield


@dataclass
class Release:
    """A ramp of the second version, at which the first one is current."""

    client: Client
    lines: list[str] = field(default_factory=list)

    async def out(self, ramp: Ramp) -> None:
        """Ramp it."""
        async with asyncio.timeout(PATIENCE):
            await ramp_out(self.client.temporal, PARCELS, "v2", ramp, self.lines.append)

    async def refused(self, ramp: Ramp, reason: str) -> str:
        """Ramp it until it is refused for this reason; what is said then."""
        with pytest.raises(Refused) as caught:
            await self.out(ramp)
        assert caught.value.reason == reason
        return str(caught.value)

    async def found(self) -> Deployment:
        """As it is on the server."""
        return await load_deployment(self.client.temporal, PARCELS)

    async def back(self) -> None:
        """What a person does who takes it back."""
        await roll_back(self.client.temporal, PARCELS, REASON)

    async def taken_back(self) -> bool:
        """Whether that is as it stands, with its reason."""
        found = await self.found()
        return (str(found.routing), found.version("v2").rolled_back) == ("v1 has everything", REASON)

    @property
    def steps(self) -> list[str]:
        """What it got."""
        return [line for line in self.lines if line.startswith("v2 gets ")]


@pytest_asyncio.fixture(loop_scope="session")
async def release(post: Client) -> Release:
    """Nothing is known of the second version yet."""
    made = Release(post)
    found = await made.found()
    if found.ramping is not None:
        await unset_ramp(post.temporal, found)
    await set_current(post.temporal, await made.found(), "v1")
    return made


async def test_a_rollback_before_a_step_stays(release: Release) -> None:
    canaries = list[str]()

    async def canary(version: WorkerDeploymentVersion, task_id: str) -> str:
        canaries.append(task_id)
        if len(canaries) == 2:
            await release.back()
        return ""

    said = await release.refused(replace(AT_ONCE, canary=canary), "Changed")
    assert said == "somebody else has changed the routing: now v1 has everything; this ramp ends here"
    assert release.steps == ["v2 gets 10 %"]
    assert await release.taken_back()
    assert not [line for line in release.lines if "left as it is" in line]


@pytest.mark.parametrize("percent", [10, 100])
async def test_a_rollback_while_a_step_is_watched_stays(
    release: Release, monkeypatch: pytest.MonkeyPatch, percent: float
) -> None:
    monkeypatch.setattr(rollout, "_LOOK", 0.5)
    begun = asyncio.Event()

    def tell(line: str) -> None:
        release.lines.append(line)
        if line == f"v2 gets {percent:g} %":
            begun.set()

    long = replace(AT_ONCE, steps=(percent, 100) if percent < 100 else (100,), pause=timedelta(hours=1))
    async with asyncio.timeout(PATIENCE):
        ramping = asyncio.create_task(ramp_out(release.client.temporal, PARCELS, "v2", long, tell))
        await begun.wait()
        await release.back()
        with pytest.raises(Refused, match="now v1 has everything") as caught:
            await ramping
    assert caught.value.reason == "Changed"
    assert release.lines == [f"v2 gets {percent:g} %"]
    assert (await release.found()).current == "v1"
    assert (await release.found()).version("v2").rolled_back == REASON


async def test_a_rollback_after_the_last_look_is_not_called_a_success(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def figures(*_: Any, **__: Any) -> Figures:
        if (await release.found()).current == "v2":
            await release.back()
        return Figures()

    monkeypatch.setattr(rollout, "figures_of_tasks", figures)
    await release.refused(replace(AT_ONCE, steps=(100,)), "Changed")
    assert not [line for line in release.lines if "is current" in line]
    assert await release.taken_back()


async def test_a_share_that_somebody_else_has_set_stays_also_when_the_version_does_badly(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def figures(*_: Any, **__: Any) -> Figures:
        await set_ramp(release.client.temporal, await release.found(), "v2", 25)
        return Figures(broken=1)

    monkeypatch.setattr(rollout, "figures_of_tasks", figures)
    said = await release.refused(AT_ONCE, "NotRolledBack")
    assert "v2 does badly (the code of 1 of its open tasks fails again and again)" in said
    assert "now v2 gets 25 %, v1 the rest" in said
    assert release.lines[-1].startswith("left as it is: v2 gets 25 %; the same command goes on, ")
    assert (await release.found()).percent == 25


async def test_a_ramp_that_ends_by_a_refusal_says_what_is_left(release: Release) -> None:
    canaries = list[str]()

    async def canary(version: WorkerDeploymentVersion, task_id: str) -> str:
        canaries.append(task_id)
        if len(canaries) == 2:
            raise Refused("InvalidArgument", "no such task")
        return ""

    await release.refused(replace(AT_ONCE, canary=canary), "InvalidArgument")
    assert release.lines[-1] == (
        f"left as it is: v2 gets 10 %; the same command goes on, `sagamesh deploy rollback -d {PARCELS}` takes it back"
    )
    assert str((await release.found()).routing) == "v2 gets 10 %, v1 the rest"


async def test_before_the_first_step_nothing_is_left(release: Release) -> None:
    async def canary(version: WorkerDeploymentVersion, task_id: str) -> str:
        raise Refused("InvalidArgument", "no such task")

    await release.refused(replace(AT_ONCE, canary=canary), "InvalidArgument")
    assert release.lines == []


async def test_a_server_that_does_not_answer_for_a_moment_ends_no_ramp(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_LATE", 0.01)
    looks = list[str]()

    async def figures(_: Any, version: WorkerDeploymentVersion, *__: Any, **___: Any) -> Figures:
        looks.append(version.build_id)
        if len(looks) < 4:
            raise ServerUnreachable("nobody answers")
        return Figures()

    monkeypatch.setattr(rollout, "figures_of_tasks", figures)
    await release.out(replace(AT_ONCE, steps=(100,)))
    assert release.lines[-1] == "v2 is current; v1 drains"


async def test_a_server_that_answers_no_more_leaves_the_share(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def figures(*_: Any, **__: Any) -> Figures:
        raise ServerUnreachable("nobody answers")

    monkeypatch.setattr(rollout, "figures_of_tasks", figures)
    with pytest.raises(ServerUnreachable, match="nobody answers"):
        await release.out(replace(AT_ONCE, patience=timedelta(0)))
    assert release.lines[-1].startswith("left as it is: v2 gets 10 %; ")
