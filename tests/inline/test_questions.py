"""An approval counts for one question, and only once it stands in the history: inline as on a queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType

from sagamesh import Client, SagameshPlugin
from sagamesh.inline import inline_workers
from sagamesh.testing import dev_server, served
from tests.inline.questions import Held, beside, both, pools
from tests.support.engine import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Client]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as environment:
        yield Client(environment.client)


async def _asked(client: Client, id: str, question: str) -> bool:
    status = await client.find(id).status()
    return status.approval is not None and (status.approval.question, status.approval.approved) == (question, None)


@pytest.mark.parametrize("inline", [False, True])
async def test_one_answer_serves_one_question(server: Client, tmp_path: Path, *, inline: bool) -> None:
    async with served(server.temporal, pools(tmp_path / "book"), inline=True):
        handle = await server.start(both, Held(), id=f"both-{inline}", inline=inline)
        await eventually(lambda: _asked(server, handle.id, "small?"))
        await handle.approve(by="ann")
        await eventually(lambda: _asked(server, handle.id, "large?"))
        await handle.approve(by="bob")
        assert (await handle.result()).said == "small? ann, large? bob"


async def test_a_call_does_not_begin_on_the_spot_before_its_approval_is_recorded(
    server: Client, tmp_path: Path
) -> None:
    """The approval and a call's answer reach the task's code in the same turn, because nobody hosted it meanwhile."""
    held = tmp_path / "held"
    held.touch()
    temporal = server.temporal.get_workflow_handle("beside")

    async def answered() -> bool:
        history = await temporal.fetch_history()
        return any(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED for event in history.events)

    agents, _ = pools(tmp_path / "book")
    async with agents.serving(server.temporal):
        async with inline_workers(server.temporal, pools(tmp_path / "book"))[0]:
            handle = await server.start(beside, Held(path=str(held)), id="beside", inline=True)
            await eventually(lambda: _asked(server, handle.id, "charge?"))
        held.unlink()
        await eventually(answered)
        approving = asyncio.create_task(temporal.execute_update("approve", {"by": "ann", "reason": ""}))
        await asyncio.sleep(0.5)  # until the server holds the update; it tells nobody
        async with inline_workers(server.temporal, pools(tmp_path / "book"))[0]:
            await approving
            assert (await handle.result()).said == "on the queue"
