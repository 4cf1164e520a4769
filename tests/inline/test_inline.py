"""Tasks that run inline, on a real server: what runs where, and that nothing is forgotten when a process dies."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sagamesh import Client, SagameshPlugin, TaskHandle
from sagamesh.errors import TaskCancelled, TaskFailed, UnknownName
from sagamesh.hosting import hosting
from sagamesh.inline import inline_queue
from sagamesh.status import Stage
from sagamesh.testing import dev_server, served
from tests.inline import hands as program
from tests.inline.hands import Deed, Hands, Job, Outcome, alone, pools, work

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
_number = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Client]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as environment:
        yield Client(environment.client)


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: Client, tmp_path: Path) -> AsyncIterator[Client]:
    """The client, with everything hosted in this process."""
    async with served(server.temporal, pools(tmp_path / "book"), inline=True):
        yield server


@pytest.fixture
def book(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "book")


async def _start(client: Client, *deeds: Deed, inline: bool = True, **job: Any) -> TaskHandle[Outcome]:
    return await client.start(work, Job(deeds=deeds, **job), id=f"w-{next(_number)}", inline=inline)


async def _until(what: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            found = what()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


async def test_a_call_begins_on_the_spot_when_all_that_led_to_it_is_in_the_history(client: Client) -> None:
    deeds = [Deed(name=name) for name in ("a", "b", "c", "d")]
    assert (await (await _start(client, *deeds)).result()).on_the_spot == (True, False, True, False)


async def test_on_a_plain_queue_nothing_is_done_on_the_spot(client: Client) -> None:
    handle = await _start(client, Deed(name="a"), Deed(name="b"), inline=False)
    assert (await handle.result()).on_the_spot == (False, False)


async def test_what_is_not_inline_goes_to_its_agent_and_brings_the_history_up_to_date(client: Client) -> None:
    handle = await _start(client, Deed(name="a"), Deed(name="far"), Deed(name="b"))
    assert (await handle.result()).on_the_spot == (True, False, True)


async def test_a_call_that_fails_on_the_spot_goes_on_on_the_queue(client: Client, book: Hands) -> None:
    handle = await _start(client, Deed(name="a", fails=2))
    assert (await handle.result()).on_the_spot == (False,)
    assert book.lines() == ["do a"] * 3


async def test_a_call_without_a_saga_is_the_same_effect_wherever_it_goes_on(client: Client, book: Hands) -> None:
    deeds = (Deed(name="a", fails=1), Deed(name="b"))
    handle = await client.start(alone, Job(deeds=deeds), id=f"w-{next(_number)}", inline=True)
    await handle.result()
    first, again, other = book.keys()
    assert first == again != other


async def test_all_attempts_together_are_those_of_the_policy(client: Client, book: Hands) -> None:
    handle = await _start(client, Deed(name="a", fails=9))
    with pytest.raises(TaskFailed) as caught:
        await handle.result()
    assert (caught.value.failure.type, caught.value.failure.step) == ("NotYet", "hands.do")
    assert book.lines() == ["do a"] * 3 + ["undo a"]


async def test_an_answer_is_not_tried_again(client: Client, book: Hands) -> None:
    handle = await _start(client, Deed(name="a"), Deed(name="far"), Deed(name="b", refused=True))
    with pytest.raises(TaskFailed) as caught:
        await handle.result()
    assert caught.value.failure.type == "Refused"
    assert book.lines() == ["do a", "do far", "do b", "undo b", "undo far", "undo a"]


async def test_after_an_approval_nothing_is_done_before_the_history_has_it(client: Client) -> None:
    handle = await _start(client, Deed(name="a"), Deed(name="far"), Deed(name="b"), ask_before=2)

    async def asked() -> bool:
        return (await handle.status()).stage is Stage.AWAITING_APPROVAL

    await _until(asked)
    await handle.approve(by="grace")
    assert (await handle.result()).on_the_spot == (True, False, False)


async def test_a_cancel_waits_for_what_runs_on_the_spot(client: Client, book: Hands, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    handle = await _start(client, Deed(name="a", held_by=str(held)), Deed(name="b"))
    await _until(lambda: book.lines() == ["do a"])
    await client.temporal.get_workflow_handle(handle.id).cancel()
    held.unlink()
    with pytest.raises(TaskCancelled):
        await handle.result()
    # The second may have been asked for in the same moment, and is then called off like any other.
    assert [line for line in book.lines() if line.endswith(" a")] == ["do a", "undo a"]
    assert book.lines()[-1] == "undo a"


async def test_a_deadline_that_passes_while_something_runs_on_the_spot_counts_afterwards(
    client: Client, book: Hands
) -> None:
    far = Deed(name="far", takes=0.5)
    handle = await _start(client, Deed(name="far"), Deed(name="a", takes=2.5), far, deadline=2.0)
    with pytest.raises(TaskFailed) as caught:
        await handle.result()
    assert caught.value.failure.type == "DeadlineExceeded"
    # Whether the third was begun first depends on when the engine tells the task of its deadline.
    assert book.lines() in (
        ["do far", "do a", "do far", "undo far", "undo a", "undo far"],
        ["do far", "do a", "undo a", "undo far"],
    )


async def test_what_a_process_did_before_it_died_is_undone_by_the_next(
    server: Client, book: Hands, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.touch()
    async with AsyncExitStack() as stack:
        first = await _hosting(server, tmp_path / "book", stack)
        handle = await server.temporal.start_workflow(
            work.name,
            Job(deeds=(Deed(name="a", held_by=str(held)), Deed(name="b"))),
            id=f"w-{next(_number)}",
            task_queue=inline_queue(work.queue),
            task_timeout=timedelta(seconds=2),
        )
        await _until(lambda: book.lines() == ["do a"])
        first.send_signal(signal.SIGKILL)
        first.wait()
        # Nobody knows of the deed: the history still is at the beginning, and the task is asked to stop.
        await handle.cancel()
        held.unlink()
        await _hosting(server, tmp_path / "book", stack)
        with pytest.raises(TaskCancelled):
            await server.handle(work, handle.id).result()
    mine = [line for line in book.lines() if line.endswith(" a")]
    assert mine == ["do a", "do a", "undo a"]


async def _hosting(server: Client, book: Path, stack: AsyncExitStack) -> subprocess.Popen[str]:
    address = server.temporal.service_client.config.target_host
    process = subprocess.Popen(  # noqa: ASYNC220  # a process of its own, to be killed
        [sys.executable, "-m", program.__name__, address],
        cwd=ROOT,
        env=os.environ | {program.BOOK: str(book)},
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(_end, process)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def test_a_process_may_host_what_it_starts(
    server: Client, book: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(program.BOOK, str(tmp_path / "book"))
    address = server.temporal.service_client.config.target_host
    async with hosting(program.app, inline=True, address=address) as client:
        handle = await _start(client, Deed(name="a"))
        assert (await handle.result()).on_the_spot == (True,)
        history = await client.temporal.get_workflow_handle(handle.id).fetch_history()
        # Without a way through a queue: the server's answer to the start was the first turn.
        assert history.events[0].workflow_execution_started_event_attributes.eager_execution_accepted
        plain = await _start(client, Deed(name="b"), inline=False)
        assert (await plain.result()).on_the_spot == (False,)
    assert book.lines() == ["do a", "do b"]


async def test_hosting_refuses_what_it_cannot_host(server: Client) -> None:
    address = server.temporal.service_client.config.target_host
    with pytest.raises(UnknownName, match="wrok"):
        async with hosting(program.app, ["wrok"], address=address):
            pass
