"""Locks with leases and fencing tokens, and leader election, for the code of tasks."""

from sagamesh.locks.errors import LockLost, LockTimeout
from sagamesh.locks.held import Held, lock
from sagamesh.locks.leadership import leadership
from sagamesh.locks.messages import LockStatus

__all__ = ["Held", "LockLost", "LockStatus", "LockTimeout", "leadership", "lock"]
