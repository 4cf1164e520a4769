"""kill -9 of whatever runs, at any moment: every order reaches its right end, by everybody's books."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time

import pytest

from mesh_workers.books_check import check_books
from tests.whole.conftest import Stack
from tests.whole.orders import Sent, Shop, mixed

pytestmark = [pytest.mark.stack, pytest.mark.asyncio, pytest.mark.timeout(420)]

_ORDERS = 200
_IN_FLIGHT = 20


async def test_kill_of_any_process_at_any_moment_loses_and_doubles_nothing(stack: Stack) -> None:
    seed = int(os.environ.get("SAGAMESH_TEST_SEED", time.time_ns() % 100_000))
    print(f"seed {seed}; repeat with SAGAMESH_TEST_SEED={seed}")
    shop = Shop(stack.address, patience=60, inline=stack.inline)
    orders = mixed("kill", _ORDERS)
    killed, _ = await asyncio.gather(_kill_each_once(stack, random.Random(seed)), _sent(shop, orders))
    endings = await shop.endings(orders)
    print("killed: " + ", ".join(killed))
    assert [
        (sent.id, outcome) for sent, (outcome, _) in zip(orders, endings, strict=True) if outcome != sent.expected
    ] == []
    assert (await check_books([ended for _, ended in endings], stack.sources)).violations == ()


async def test_orders_in_flight_when_everything_is_killed_complete_after_the_next_up(stack: Stack) -> None:
    shop = Shop(stack.address, patience=60, inline=stack.inline)
    orders = mixed("blackout", 30)
    await asyncio.gather(*(shop.place(sent) for sent in orders))
    ports = stack.state()["address"].rsplit(":", 1)[1]
    state = stack.state()
    everything = [state["supervisor"]["pid"], *(part["process"]["pid"] for part in state["parts"])]
    for pid in everything:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    stack.up("--port", ports, "--ui-port", "0")
    endings = await shop.endings(orders)
    assert [
        (sent.id, outcome) for sent, (outcome, _) in zip(orders, endings, strict=True) if outcome != sent.expected
    ] == []
    assert (await check_books([ended for _, ended in endings], stack.sources)).violations == ()


async def _sent(shop: Shop, orders: list[Sent]) -> None:
    gate = asyncio.Semaphore(_IN_FLIGHT)

    async def one(sent: Sent) -> None:
        async with gate:
            await shop.place(sent)
            await shop.ending(sent)

    await asyncio.gather(*(one(sent) for sent in orders))


async def _kill_each_once(stack: Stack, dice: random.Random) -> list[str]:
    """Kill every part, in a random order and at random moments; what was killed is restarted meanwhile."""
    names = [part["name"] for part in stack.state()["parts"]]
    if stack.inline:
        names += ["inline"] * 4  # as often as the five pools that it stands for
    dice.shuffle(names)
    killed = {}
    for name in names:
        await asyncio.sleep(dice.uniform(0.5, 4))
        killed[name] = await stack.pid(name)
        os.kill(killed[name], signal.SIGKILL)
    for name, pid in killed.items():
        # Also what no order needs any more: the books are read next.
        while await stack.pid(name) == pid:  # noqa: ASYNC110  # its supervisor tells nobody
            await asyncio.sleep(0.05)
    return names
