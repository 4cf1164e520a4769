"""Which queues this process rightly does not ask for work, because it has all of theirs that it can do."""

from __future__ import annotations

from collections.abc import Sequence

from sagamesh.inline import inline_queue
from sagamesh.polled_queue import Queue
from sagamesh.pool import Pool
from sagamesh.slots import least, together

__all__ = ["busy"]


def busy(queue: Queue, pools: Sequence[Pool]) -> bool:
    """Whether all slots for what comes on this side of a queue may be taken.

    A task that waits holds no slot, so the side of workflows is never full; but one that runs inline holds it while
    its calls run on the spot, and their slots are those of all agents together.
    """
    name, side = queue
    if any(pool.workflows and inline_queue(pool.queue) == name for pool in pools):
        agents = [pool for pool in pools if pool.inline_activities()]
        slots = together(agent.capacity for agent in agents)
        return slots is not None and sum(agent.taken(name) for agent in agents) >= least(slots)
    return side == "activities" and any(pool.busy(name) for pool in pools)
