"""A timeline as JSON values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sagamesh.timeline import Entry, Timeline

__all__ = ["document"]


def document(timeline: Timeline) -> dict[str, Any]:
    """Every fact of the timeline, with the durations that the entries imply."""
    known = {field.name: getattr(timeline, field.name) for field in fields(timeline)}
    return {
        **known,
        "duration": timeline.duration,
        "approved_by": timeline.approved_by,
        "for_operator": [entry.name for entry in timeline.for_operator],
        "entries": [_entry(entry, timeline) for entry in timeline.entries],
    }


def _entry(entry: Entry, timeline: Timeline) -> dict[str, Any]:
    return {
        **{field.name: getattr(entry, field.name) for field in fields(entry)},
        "queue_wait": entry.queue_wait(timeline.now),
        "retried": entry.retried(),
        "work": entry.work(timeline.now),
        "total": entry.total(timeline.now),
    }
