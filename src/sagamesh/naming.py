"""How calls are named. A call's name is its activity id and, with the task's id, the key of its effect.

A task that continues as new keeps its id and begins to count anew, so its later runs say in each name which they are:
otherwise their first charge would be taken for the one of the run before. A reset run is the same run once more, and
has the same names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from temporalio import workflow
from temporalio.api.common.v1 import Payload

__all__ = ["FIRST", "bare_name", "capability_of", "generation", "next_generation", "step_name"]

_GENERATION: Final = "sagamesh-generation"
"""Header of a run that continues another: its number, from 2 on."""

FIRST: Final = "1"
"""The generation of a run that continues no other."""

_COUNT: Final = "_sagamesh_bare_calls"


def step_name(capability: str, taken: Collection[str]) -> str:
    """The name of a saga's next step.

    - `capability`: its type.
    - `taken`: the names of the steps that the task has begun in this run.
    """
    run = generation()
    first = capability if run == FIRST else f"{capability}@{run}"
    repeats = sum(1 for step in taken if step.partition("#")[0] == first)
    return first if not repeats else f"{first}#{repeats + 1}"


def bare_name() -> str:
    """The name of a call that is no step, where the engine's own number would not do.

    It counts from 1 in each run, and a call that goes on elsewhere would get another.
    """
    here = workflow.instance()
    count = getattr(here, _COUNT, 0) + 1
    setattr(here, _COUNT, count)
    return f"{count}@{generation()}"


def capability_of(step: str) -> str:
    """The capability's type in the name of a step."""
    return step.partition("#")[0].partition("@")[0]


def generation() -> str:
    """Which run of its id the running workflow is: "1" for the first, also when it is reset."""
    info = workflow.info()
    if info.continued_run_id and (info.cron_schedule or info.attempt > 1):
        # The engine starts these by itself, with the headers of the run before.
        return hashlib.sha256(info.continued_run_id.encode()).hexdigest()[:8]
    return str(_number(info.headers))


def next_generation() -> Mapping[str, Payload]:
    """The headers by which the next run knows that it is the next."""
    number = _number(workflow.info().headers) + 1
    return {_GENERATION: Payload(metadata={"encoding": b"binary/plain"}, data=str(number).encode())}


def _number(headers: Mapping[str, Payload]) -> int:
    payload = headers.get(_GENERATION)
    return int(FIRST) if payload is None else int(payload.data)
