"""An agent whose calls take as long as told and whose dependency is a file, for the tests of worker processes."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

from pydantic import Field
from temporalio import activity, workflow
from temporalio.bridge.worker import Worker as BridgeWorker

from sagamesh import (
    Agent,
    App,
    Breaker,
    BusinessError,
    Mesh,
    Message,
    Pool,
    Retry,
    Saga,
    SagameshPlugin,
    Task,
    TaskWorkflow,
    current_call,
    seconds,
)

_log = logging.getLogger("clerks")

FOLDER: Final = "CLERKS_FOLDER"
"""Variable with the folder of the dependency, `ledger`, and of what the calls write down, `begun` and `ended`."""

GRACE: Final = "CLERKS_GRACE"
"""Variable with the grace that the pool of `clerk` says itself, in seconds."""


class Errand(Message):
    """What to do, and for how long: `open` until there is a file `door` in the folder."""

    how: Literal["wait", "open", "beat", "block", "stay", "break", "decline", "fail", "warn"] = "wait"
    seconds: Annotated[float, Field(ge=0)] = 0


class Done(Message):
    """It was."""


class Unwilling(BusinessError):
    """A final answer."""


clerk = Agent("clerk")
work = clerk.capability(
    "work",
    takes=Errand,
    returns=Done,
    timeout=seconds(30),
    retry=Retry(attempts=2, first=seconds(0.05)),
    breaker=Breaker(key="desk", failures=100),
)
watch = clerk.capability(
    "watch",
    takes=Errand,
    returns=Done,
    timeout=seconds(600),
    heartbeat=seconds(10),
    retry=Retry(attempts=2, first=seconds(0.05)),
)
errand: Task[Errand, Done] = Task("Errand", takes=Errand, returns=Done, queue="errands", uses=(clerk,))
plugin = SagameshPlugin(passthrough=("tests",))


@workflow.defn(name="Errand")
class Run(TaskWorkflow):
    """One call."""

    task = errand

    @workflow.run
    async def run(self, wanted: Errand) -> Done:
        workflow.logger.info("an errand to run")
        async with Saga() as saga:
            return await saga.step(watch if wanted.how == "beat" else work, wanted)


async def _work(wanted: Errand) -> Done:
    folder, key = Path(os.environ[FOLDER]), current_call().key
    _write(folder / "begun", key)
    _log.info("an errand is run")
    if wanted.how == "warn":
        warnings.warn("the pen is nearly empty", stacklevel=1)
    if wanted.how == "decline":
        raise Unwilling("not today")
    if wanted.how == "fail":
        raise OSError("the pen is broken")
    if wanted.how == "break":
        # Nothing outside the process makes the engine's library give up at will.
        BridgeWorker.poll_activity_task = _no_more  # type: ignore[method-assign]
    try:
        if wanted.how == "open":
            while not (folder / "door").exists():  # noqa: ASYNC110  # another process makes it
                await asyncio.sleep(0.02)
        elif wanted.how == "block":
            time.sleep(wanted.seconds)  # noqa: ASYNC251  # it is what must not be done
        else:
            await asyncio.sleep(wanted.seconds)
    except asyncio.CancelledError:
        _write(folder / "cancelled", key)
        if wanted.how == "stay":
            await asyncio.sleep(wanted.seconds)
        raise
    _write(folder / "ended", key)
    return Done()


async def _watch(wanted: Errand) -> Done:
    """As long as told, with a sign of life ten times a second."""
    folder, key = Path(os.environ[FOLDER]), current_call().key
    _write(folder / "begun", key)
    try:
        for _ in range(round(wanted.seconds * 10)):
            activity.heartbeat()
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        _write(folder / "cancelled", key)
        raise
    _write(folder / "ended", key)
    return Done()


async def _no_more(self: BridgeWorker) -> NoReturn:
    raise RuntimeError("no more polls")


def _write(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line + "\n")


async def _ledger() -> None:
    state = (Path(os.environ[FOLDER]) / "ledger").read_text(encoding="utf-8")
    if state == "slow":
        await asyncio.sleep(3600)
    if state != "open":
        raise OSError(f"the ledger is {state}")


@asynccontextmanager
async def clerks() -> AsyncIterator[Pool]:
    """Serves `clerk`."""
    own = os.environ.get(GRACE)
    grace = timedelta(seconds=float(own)) if own else None
    yield Pool(clerk, grace=grace, checks={"ledger": _ledger}).serve(work, _work).serve(watch, _watch)


@asynccontextmanager
async def errands() -> AsyncIterator[Pool]:
    """Hosts `Errand`."""
    yield Pool(errand.queue).host(errand, Run)


app = App(
    mesh=Mesh(clerk),
    tasks=(errand,),
    contracts=("tests",),
    workflows=("tests.support.clerks:Run",),
    pools={"clerk": "tests.support.clerks:clerks", "errands": "tests.support.clerks:errands"},
)
