"""Chaos: a seeded schedule of faults on the embedded stack while it is under load, and the proof that it held."""

from sagamesh.chaos.schedule import KINDS, Fault, Kind, Schedule, Targets, schedule

__all__ = ["KINDS", "Fault", "Kind", "Schedule", "Targets", "schedule"]
