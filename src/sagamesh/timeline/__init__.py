"""A task as a timeline, read from its history: what happened when, for how long, who decided, what was undone."""

from sagamesh.timeline.entry import Entry, Kind, State
from sagamesh.timeline.history import load_history, load_timeline, opened
from sagamesh.timeline.reader import Timeline, timeline

__all__ = ["Entry", "Kind", "State", "Timeline", "load_history", "load_timeline", "opened", "timeline"]
