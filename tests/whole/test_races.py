"""Charges that land late, get lost, or lose their worker, and cancels in between; judged by the gateway's own books."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Callable

import httpx
import pytest

from mesh_agents.order import OrderRequest, OrderResult, order
from mesh_workers import app
from mesh_workers.books_check import EndedOrder, check_books
from mesh_workers.seed import one_line
from sagamesh import Client, TaskHandle
from sagamesh.errors import Refused, TaskFailed
from sagamesh.status import StepState, TaskStatus
from tests.whole.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.asyncio, pytest.mark.timeout(180)]

Handle = TaskHandle[OrderResult]


async def _started(stack: Stack, request: OrderRequest) -> Handle:
    client = await Client.connect(plugin=app.plugin(), address=stack.address)
    return await client.start(order, request, id=f"race-{uuid.uuid4().hex[:8]}")


async def _ended(handle: Handle, request: OrderRequest) -> tuple[str, EndedOrder]:
    try:
        result = await handle.result()
    except TaskFailed as error:
        return error.failure.type, EndedOrder(handle.id, request, completed=False)
    return "completed", EndedOrder(handle.id, request, completed=True, notified=result.notified)


async def _until(handle: Handle, reached: Callable[[TaskStatus], bool]) -> None:
    while True:
        try:
            if reached(await handle.status()):
                return
        except Refused:  # no worker has answered yet
            pass
        await asyncio.sleep(0.05)


def _step(name: str, state: StepState) -> Callable[[TaskStatus], bool]:
    return lambda status: any(step.step == name and step.state is state for step in status.steps)


async def _gateway_has(stack: Stack, handle: Handle, matches: Callable[[dict[str, object]], bool]) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            payments = (await http.get(f"{stack.sources.gateway}/books")).json()["payments"]
            if any(p["metadata"].get("task_id") == handle.id and matches(p) for p in payments):
                return
            await asyncio.sleep(0.05)


async def _clean(stack: Stack, ended: EndedOrder) -> None:
    assert (await check_books([ended], stack.sources)).violations == ()


@pytest.mark.parametrize(
    "pay",
    [
        "pm_card_visa",
        "pm_sandbox_answer_lost",
        "pm_sandbox_rate_limited_1",
        "pm_sandbox_fail_2",
        "pm_sandbox_processing_1",
    ],
)
async def test_an_order_completes_and_is_charged_once(shared_stack: Stack, pay: str) -> None:
    request = one_line(pay=pay)
    handle = await _started(shared_stack, request)
    outcome, ended = await _ended(handle, request)
    assert outcome == "completed"
    await _clean(shared_stack, ended)


async def test_a_cancel_while_the_money_is_taken_gives_it_back(shared_stack: Stack) -> None:
    request = one_line(pay="pm_sandbox_slow_2")
    handle = await _started(shared_stack, request)
    await _until(handle, _step("payment.charge", StepState.RUNNING))
    await handle.cancel()
    outcome, ended = await _ended(handle, request)
    assert outcome == "Cancelled"
    await _clean(shared_stack, ended)


async def test_a_charge_whose_worker_is_killed_after_charging_is_charged_once(shared_stack: Stack) -> None:
    request = one_line(pay="pm_sandbox_answer_slow_3")
    handle = await _started(shared_stack, request)
    await _gateway_has(shared_stack, handle, lambda payment: payment["charges"] == 1)
    os.kill(await shared_stack.pid("payment"), signal.SIGKILL)
    outcome, ended = await _ended(handle, request)
    assert outcome == "completed"
    await _clean(shared_stack, ended)


async def test_a_cancel_after_the_worker_was_killed_in_the_charge_refunds_once(shared_stack: Stack) -> None:
    request = one_line(pay="pm_sandbox_answer_slow_3")
    handle = await _started(shared_stack, request)
    await _gateway_has(shared_stack, handle, lambda payment: payment["charges"] == 1)
    os.kill(await shared_stack.pid("payment"), signal.SIGKILL)
    await handle.cancel()
    outcome, ended = await _ended(handle, request)
    assert outcome == "Cancelled"
    await _clean(shared_stack, ended)


async def test_a_charge_that_lands_after_the_deadline_is_refunded_or_never_happens(shared_stack: Stack) -> None:
    request = one_line(pay="pm_sandbox_late_4").model_copy(update={"deadline_seconds": 3})
    handle = await _started(shared_stack, request)
    outcome, ended = await _ended(handle, request)
    assert outcome == "DeadlineExceeded"
    await asyncio.sleep(6)  # the late charge's own time: it lands, or finds itself called off
    await _clean(shared_stack, ended)
