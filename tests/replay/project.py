"""A project of which the flows are the tasks, for the command line."""

from __future__ import annotations

from sagamesh import Task
from sagamesh.app import App
from sagamesh.mesh import Mesh
from sagamesh.message import Message

__all__ = ["app"]


class Empty(Message):
    """Nothing: the flows are started by hand, with plain arguments."""


app = App(
    mesh=Mesh(),
    tasks=(Task("Steps", takes=Empty, returns=Empty, queue="replay-tests"),),
    workflows=("tests.replay.flows:Steps", "tests.replay.flows:Failing", "tests.replay.flows:Versioned"),
)
