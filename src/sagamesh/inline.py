"""Inline hosting: one process that hosts tasks and runs the short calls of the agents that it serves on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from sagamesh.errors import Unserved

if TYPE_CHECKING:
    from sagamesh.pool import Pool

__all__ = ["check_inline", "inline_queue", "inline_workers", "runs_inline"]

_SUFFIX: Final = ".inline"


def inline_queue(queue: str) -> str:
    """The queue on which the tasks of this queue are started to run inline."""
    return queue + _SUFFIX


def runs_inline() -> bool:
    """Whether the running task was started to call inline capabilities on the spot.

    It follows from the queue that the task was started on, which its history holds, so that a replay decides alike
    wherever it runs.
    """
    return workflow.info().task_queue.endswith(_SUFFIX)


def check_inline(pools: Sequence[Pool]) -> None:
    """Refuse to host tasks inline without the agents whose capabilities they would call on the spot.

    Raises:
        Unserved: naming the task and the agents, or that none of these pools hosts a task.
    """
    served = {pool.agent.name for pool in pools if pool.agent is not None}
    hosts = [pool for pool in pools if pool.workflows]
    if not hosts:
        raise Unserved("inline hosting needs a pool that hosts tasks in the same process, beside the agents' pools")
    for pool in hosts:
        for hosted in pool.workflows:
            needed = {
                agent.name
                for agent in hosted.task.uses
                if any(capability.policy.inline for capability in agent.capabilities.values())
            }
            if missing := sorted(needed - served):
                raise Unserved(
                    f"task {hosted.task.name} calls {', '.join(missing)} inline: serve {', '.join(missing)} in the "
                    "same process"
                )


def inline_workers(client: Client, pools: Sequence[Pool]) -> list[Worker]:
    """The engine's workers for the tasks of these pools when they run inline, not yet running.

    They serve the inline capabilities of those pools that serve agents. For other capabilities, and for tasks that were
    started on a plain queue, the pools' own workers run beside them.

    Raises:
        Unserved: as `check_inline`.
    """
    check_inline(pools)
    agents = [pool for pool in pools if pool.agent is not None]
    return [
        Worker(
            client,
            task_queue=inline_queue(pool.queue),
            workflows=pool.workflows,
            activities=[implementation for agent in agents for implementation in agent.inline_activities()],
            interceptors=[interceptor for agent in agents for interceptor in agent.interceptors(client)],
            # Nothing is put on this queue but tasks; a process serves as many calls as its pools would.
            no_remote_activities=True,
            max_concurrent_local_activities=sum(agent.slots for agent in agents) or None,
            graceful_shutdown_timeout=max(each.grace for each in pools),
        )
        for pool in pools
        if pool.workflows
    ]
