"""Sends 20 mixed orders to the embedded stack, and proves from everybody's books what came of them.

`python -m mesh_workers.demonstration`, or `scripts/demo`, which starts the stack first.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mesh_agents.order import OrderRequest, OrderResult, order
from mesh_workers import app
from mesh_workers.books_check import BooksCheck, EndedOrder, Sources, check_books
from mesh_workers.seed import one_line
from sagamesh import Client, TaskHandle
from sagamesh.app import project_root
from sagamesh.errors import Refused, SagameshError, TaskFailed
from sagamesh.load.check import pool_environment
from sagamesh.stack.place import Place
from sagamesh.stack.state import StackState, load
from sagamesh.status import Stage, StepState, TaskStatus

Handle = TaskHandle[OrderResult]
_PATIENCE = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of order: what it shows, whom it is for, how it should end, and who interferes."""

    name: str
    expected: str
    request: OrderRequest
    interfere: Callable[[Handle], Awaitable[object]] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an order ended: `completed`, or the type of the failure; a sentence; and the order for the books."""

    id: str
    run_id: str
    scenario: Scenario
    outcome: str
    sentence: str
    ended: EndedOrder


def scenarios() -> list[Scenario]:
    """The 20 orders."""
    big = one_line("desk", 2, "399.00")
    return [
        *(Scenario("good", "completed", one_line("book", n, "12.50")) for n in range(1, 8)),
        Scenario(
            "good, the gateway fails three times", "completed", one_line("lamp", 1, "39.90", pay="pm_sandbox_fail_3")
        ),
        Scenario(
            "good, the answer to the charge is lost",
            "completed",
            one_line("lamp", 2, "39.90", pay="pm_sandbox_answer_lost"),
        ),
        Scenario("card declined", "Declined", one_line("book", 1, "12.50", pay="pm_card_chargeDeclined")),
        Scenario("card without money", "Declined", one_line("lamp", 1, "39.90", pay="pm_card_insufficientFunds")),
        *(Scenario("out of stock", "OutOfStock", one_line("violin", 5, "99.00")) for _ in range(2)),
        *(Scenario("over the limit, approved", "completed", big, _approve) for _ in range(2)),
        Scenario("over the limit, rejected", "Rejected", big, _reject),
        Scenario("cancelled while it waits for approval", "Cancelled", big, _cancel_when_asked),
        Scenario(
            "cancelled while the money is being taken",
            "Cancelled",
            one_line("lamp", 1, "39.90", pay="pm_sandbox_slow_3"),
            _cancel_when_charging,
        ),
        *(Scenario("mail server down", "completed", one_line("book", 1, "12.50", customer="linus")) for _ in range(2)),
    ]


async def main() -> int:
    """Run the demonstration; 0 when everything ended as it should and the books agree."""
    console = Console()
    root = project_root()
    state = load(Place.of(root))
    if state is None or not state.running:
        console.print("No embedded stack runs here. Start it with `sagamesh up --detach`.")
        return 3
    client = await Client.connect(plugin=app.plugin(), address=state.address)
    batch = secrets.token_hex(2)
    todo = scenarios()
    with Progress(
        TextColumn("[bold]Orders"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        bar = progress.add_task("orders", total=len(todo))

        async def one(number: int, scenario: Scenario) -> Ending:
            ending = await _send(client, f"demo-{batch}-{number:02}", scenario)
            progress.advance(bar)
            if not console.is_terminal:
                console.print(f"{ending.id}  {scenario.name}: {ending.outcome}", highlight=False, soft_wrap=True)
            return ending

        endings = await asyncio.gather(*(one(number, scenario) for number, scenario in enumerate(todo, start=1)))
    _show_endings(console, state, endings)
    found = await check_books([ending.ended for ending in endings], Sources.of(pool_environment(state)))
    unexpected = [ending for ending in endings if ending.outcome != ending.scenario.expected]
    _show_books(console, found, endings)
    for ending in unexpected:
        console.print(f"[red]{ending.id} should have ended as {ending.scenario.expected}[/red]")
    return 1 if unexpected or found.violations else 0


async def _send(client: Client, order_id: str, scenario: Scenario) -> Ending:
    handle = await client.start(order, scenario.request, id=order_id)
    if scenario.interfere is not None:
        await scenario.interfere(handle)
    try:
        result = await handle.result(timeout=_PATIENCE)
    except TaskFailed as error:
        ended = EndedOrder(order_id, scenario.request, completed=False)
        return Ending(order_id, handle.run_id or "", scenario, error.failure.type, error.failure.sentence, ended)
    ended = EndedOrder(order_id, scenario.request, completed=True, notified=result.notified)
    sentence = f"{result.total} charged as {result.payment_id}"
    if result.approved_by:
        sentence += f", approved by {result.approved_by}"
    if not result.notified:
        sentence += "; not notified: " + result.notification_problem
    return Ending(order_id, handle.run_id or "", scenario, "completed", sentence, ended)


async def _until(handle: Handle, reached: Callable[[TaskStatus], bool]) -> None:
    async with asyncio.timeout(_PATIENCE.total_seconds()):
        while True:
            try:
                if reached(await handle.status()):
                    return
            except Refused:  # its worker has not answered yet
                pass
            await asyncio.sleep(0.1)


async def _asked(handle: Handle) -> None:
    await _until(handle, lambda status: status.stage is Stage.AWAITING_APPROVAL)


async def _approve(handle: Handle) -> None:
    await _asked(handle)
    await handle.approve(by="grace", reason="a good customer")


async def _reject(handle: Handle) -> None:
    await _asked(handle)
    await handle.reject(by="grace", reason="not this quarter")


async def _cancel_when_asked(handle: Handle) -> None:
    await _asked(handle)
    await handle.cancel(reason="changed my mind")


async def _cancel_when_charging(handle: Handle) -> None:
    def charging(status: TaskStatus) -> bool:
        return any(step.step == "payment.charge" and step.state is StepState.RUNNING for step in status.steps)

    await _until(handle, charging)
    await handle.cancel(reason="changed my mind")


def _show_endings(console: Console, state: StackState, endings: list[Ending]) -> None:
    console.print("\n[bold]What happened to each order[/bold], and where to see it in the Temporal Web UI:")
    for ending in endings:
        colour = "green" if ending.outcome == ending.scenario.expected else "red"
        console.print(
            f"  {ending.id}  {ending.scenario.name}: [{colour}]{ending.outcome}[/]", highlight=False, soft_wrap=True
        )
        console.print(f"      {ending.sentence}", highlight=False, soft_wrap=True, markup=False)
        console.print(
            f"      {state.web}/namespaces/default/workflows/{ending.id}/{ending.run_id}",
            style="dim",
            highlight=False,
            soft_wrap=True,
        )


def _show_books(console: Console, found: BooksCheck, endings: list[Ending]) -> None:
    completed = sum(ending.ended.completed for ending in endings)
    notified = sum(ending.ended.notified for ending in endings)
    money = ", ".join(f"{amount} {currency}" for currency, amount in found.taken.items()) or "nothing"
    due = ", ".join(f"{amount} {currency}" for currency, amount in found.earned.items()) or "nothing"
    console.print("\n[bold]The proof[/bold], from the books of the gateway, the stock and the mailbox:")
    console.print(f"  money   the gateway took {money}; {completed} completed orders are worth {due}", soft_wrap=True)
    for book in found.stock:
        console.print(
            f"  stock   {book.sku}: {book.on_hand} on hand + {book.reserved} reserved + {book.sold} sold"
            f" = {book.delivered} delivered",
            soft_wrap=True,
        )
    console.print(
        f"  mail    {found.mails} orders have their mail; {notified} orders say that their customer was told",
        soft_wrap=True,
    )
    for violation in found.violations:
        console.print(f"  [red]WRONG[/red]   {violation}", soft_wrap=True)
    if not found.violations:
        console.print("  [green]everything agrees[/green]")


if __name__ == "__main__":
    try:
        code = asyncio.run(main())
    except SagameshError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command's own output
        code = 3
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the engine's client library can abort a short process at interpreter exit
