"""For the tests of tasks: agents faked by their contract, on a real engine."""

from sagamesh.testing.environment import dev_server, time_skipping
from sagamesh.testing.fakes import Fakes, served
from sagamesh.testing.program import run

__all__ = ["Fakes", "dev_server", "run", "served", "time_skipping"]
