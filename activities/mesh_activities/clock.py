"""The time, as the agents' implementations read it unless a test gives them another."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_now"]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
