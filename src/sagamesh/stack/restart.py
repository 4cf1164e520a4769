"""A rolling restart: asked for by a file in the stack's folder, done by the supervisor, followed in its state."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, ValidationError

from sagamesh.errors import Refused, UnknownName
from sagamesh.stack.errors import StackFailed
from sagamesh.stack.place import Place
from sagamesh.stack.state import Phase, Restart, StackState, load
from sagamesh.stack.supervisor import Supervisor

__all__ = ["Request", "ask", "follow_restart", "forget_request", "restarts_when_asked", "withdraw"]

_LOOK_AGAIN = 0.1
"""Seconds between two looks for a request."""

_UNHEARD = 10.0
"""Seconds within which a supervisor takes up a request, however busy the machine is."""


class Request(BaseModel):
    """Which pools are to be restarted, in this order."""

    model_config = ConfigDict(frozen=True)

    id: str
    pools: list[str]


def ask(place: Place, pools: Sequence[str]) -> tuple[Request, StackState]:
    """Ask the supervisor of the place to restart these pools, or all; returns what was asked of whom.

    Raises:
        Refused: `NoEmbeddedStack` when none is ready; `RestartUnderWay` when one was asked for already.
        UnknownName: for a pool that the stack does not run, with the nearest names.
    """
    state = load(place)
    if state is None or not state.running or state.phase is not Phase.READY:
        raise Refused(
            "NoEmbeddedStack", f"no embedded stack is ready in {place.folder}; `sagamesh up --detach` starts one"
        )
    for name in pools:
        if name not in state.pools:
            raise UnknownName("pool", name, state.pools)
    request = Request(id=secrets.token_hex(8), pools=list(dict.fromkeys(pools)) or state.pools)
    draft = place.request.with_suffix(f".{request.id}")
    draft.write_text(request.model_dump_json(), encoding="utf-8")
    try:
        os.link(draft, place.request)  # whole at once, and never over another's
    except FileExistsError:
        raise Refused(
            "RestartUnderWay", f"a rolling restart is under way already ({place.request}); wait for its end"
        ) from None
    finally:
        draft.unlink()
    return request, state


def withdraw(place: Place, request: Request) -> None:
    """Leave out the pools whose restart has not begun."""
    if _read(place) == request:
        forget_request(place)


def forget_request(place: Place) -> None:
    """Remove what was asked for."""
    place.request.unlink(missing_ok=True)


def follow_restart(place: Place, request: Request, asked: StackState, observe: Callable[[Restart], None]) -> Restart:
    """Wait until a restart is over; returns it.

    - `asked`: the stack, as `ask` found it.

    Raises:
        StackFailed: when the supervisor has ended meanwhile, or did not hear.
    """
    heard = False
    deadline = time.monotonic() + _UNHEARD
    while True:
        running = asked.supervisor.alive  # asked first, so that what it wrote last is read
        state = load(place)
        if state is not None and state.supervisor == asked.supervisor:
            restart = state.restart
            if restart is not None and restart.id == request.id:
                heard = True
                observe(restart)
                if restart.over:
                    return restart
            running = running and state.phase is Phase.READY
        else:
            running = False
        if not running:
            withdraw(place, request)
            raise StackFailed("the stack was stopped during the restart")
        if not heard and time.monotonic() > deadline:
            withdraw(place, request)
            raise StackFailed(
                f"the supervisor (process {asked.supervisor.pid}) did not take up the restart; was it started by an "
                "earlier version? `sagamesh down` and `sagamesh up` start it anew"
            )
        time.sleep(_LOOK_AGAIN)


async def restarts_when_asked(place: Place, supervisor: Supervisor, tell: Callable[[Restart], None]) -> None:
    """For ever: restart what is asked for, and tell how far it is."""
    while True:
        request = _read(place)
        if request is not None:
            await _restart(place, request, supervisor, tell)
        await asyncio.sleep(_LOOK_AGAIN)


async def _restart(place: Place, request: Request, supervisor: Supervisor, tell: Callable[[Restart], None]) -> None:
    restart = Restart(id=request.id, pools=request.pools)
    try:
        for name in request.pools:
            # Asked again for each: who asked may have thought better of it.
            if _read(place) != request:
                restart.error = "interrupted"
                break
            restart.now = name
            tell(restart)
            restart.done += await supervisor.pool(name).restart()
    except (StackFailed, UnknownName) as error:
        restart.error = str(error)
    restart.now = ""
    restart.over = True
    withdraw(place, request)
    tell(restart)


def _read(place: Place) -> Request | None:
    with suppress(FileNotFoundError):
        try:
            return Request.model_validate_json(place.request.read_bytes())
        except ValidationError:  # somebody else's file: it would hold up every later restart
            forget_request(place)
    return None
