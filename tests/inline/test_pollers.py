"""The process's setting of pollers holds for the queues of inline tasks, too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sagamesh import Pool
from sagamesh.inline import inline_workers
from sagamesh.pollers import polling
from tests.inline.hands import Work, do, far, hands, undo, work
from tests.support.engine import Engine

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_inline_queues_are_polled_as_the_others(cached_engine: Engine) -> None:
    async def nothing(_: object) -> None:
        raise AssertionError

    agent = Pool(hands)
    for capability in (do, undo, far):
        agent.serve(capability, nothing)  # type: ignore[arg-type]  # never called
    pools = [agent, Pool(work.queue).host(work, Work)]
    for pool in pools:
        pool.configure(slots=4, grace=timedelta(0), pollers=7)

    [inline] = inline_workers(cached_engine.temporal, pools)
    plain = [worker for pool in pools for worker in pool.workers(cached_engine.temporal)]

    for worker in (inline, *plain):
        config = worker.config()
        assert config.get("workflow_task_poller_behavior") == polling(7)
        assert config.get("activity_task_poller_behavior") == polling(7)
