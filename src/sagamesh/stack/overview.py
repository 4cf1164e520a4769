"""What `sagamesh status` says, as plain data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal, TypeAlias

from pydantic import BaseModel

from sagamesh.stack.log import tail
from sagamesh.stack.place import Place
from sagamesh.stack.state import PartState, PoolScale, StackState, Stage

__all__ = ["Condition", "Overview", "PartOverview", "PoolOverview", "overview"]

Condition: TypeAlias = Literal["down", "starting", "ready", "stopping", "failed", "killed"]


class PartOverview(BaseModel):
    """One part, now. `state` is its stage, or `left over` or `gone` when nobody looks after it; `uptime` in seconds."""

    name: str
    kind: str
    state: str
    pid: int | None
    uptime: float | None
    restarts: int
    ports: dict[str, int]
    link: str
    log: str
    last_line: str
    note: str


class PoolOverview(BaseModel):
    """An autoscaled pool, now.

    - `ready`: processes that serve; `leaving`: those that finish what they do; the rest as of `PoolScale`.
    - `ago`: seconds since the last change.
    """

    name: str
    ready: int
    leaving: int
    wanted: int
    least: int
    most: int
    reason: str
    ago: float | None


class Overview(BaseModel):
    """The stack, now.

    - `state`: `killed` when its supervisor ended without stopping it; `failed` when it did not start.
    - `address`: of the Temporal server; `web`: its Web UI; `data`: the folder that survives `down`.
    - `app`: what it runs, as `module:name`.
    - `inline`: whether it hosts tasks inline.
    - `pools`: those that are autoscaled.
    """

    state: Condition
    running: bool
    supervisor: int | None = None
    address: str = ""
    web: str = ""
    app: str = ""
    inline: bool = False
    folder: str
    data: str
    error: str = ""
    parts: list[PartOverview] = []
    pools: list[PoolOverview] = []


def overview(place: Place, state: StackState | None) -> Overview:
    """Put together what the state says and what the processes and logs show."""
    if state is None:
        return Overview(state="down", running=False, folder=str(place.folder), data=str(place.data))
    running = state.running
    return Overview(
        state=state.phase.value if running or state.phase == "failed" else "killed",
        running=running,
        supervisor=state.supervisor.pid,
        address=state.address,
        web=state.web,
        app=state.app,
        inline=state.inline,
        folder=str(place.folder),
        data=str(place.data),
        error=state.error,
        parts=[_part(part, running) for part in state.parts],
        pools=[_pool(scale, state.parts) for scale in state.scales] if running else [],
    )


def _pool(scale: PoolScale, parts: Sequence[PartState]) -> PoolOverview:
    stages = [part.stage for part in parts if part.part == scale.pool]
    return PoolOverview(
        name=scale.pool,
        ready=stages.count(Stage.READY),
        leaving=stages.count(Stage.STOPPING),
        wanted=scale.wanted,
        least=scale.least,
        most=scale.most,
        reason=scale.reason,
        ago=None if scale.changed is None else round(max(0.0, time.time() - scale.changed), 1),
    )


def _part(part: PartState, running: bool) -> PartOverview:
    uptime = part.uptime
    unattended = "gone" if uptime is None else "left over"
    return PartOverview(
        name=part.name,
        kind=part.kind,
        state=part.stage.value if running else unattended,
        pid=part.process.pid if part.process is not None and uptime is not None else None,
        uptime=None if uptime is None else round(uptime, 1),
        restarts=part.restarts,
        ports=part.ports,
        link=part.link,
        log=str(part.log),
        last_line="".join(tail(part.log)),
        note=part.note,
    )
