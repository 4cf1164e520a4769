"""How durations and times are written for people."""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = ["clock", "span"]


def span(duration: timedelta) -> str:
    """A duration with two or three digits that matter: `12 ms`, `1.05 s`, `2 min 03 s`, `1 h 04 min`, `3 d 5 h`."""
    seconds = max(duration.total_seconds(), 0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def clock(moment: datetime) -> str:
    """A time, in the time zone of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
