"""Supervision: what a task leaves behind when it is ended from outside is undone all the same."""

from sagamesh.supervision.aftermath import Aftermath, Begun
from sagamesh.supervision.messages import SUPERVISOR, Supervised, supervisor_id

__all__ = ["SUPERVISOR", "Aftermath", "Begun", "Supervised", "supervisor_id"]
