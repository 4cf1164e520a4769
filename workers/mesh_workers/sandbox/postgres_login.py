"""How the pools reach the sandbox's PostgreSQL server: known without what the server itself needs."""

from __future__ import annotations

from typing import Final

__all__ = ["DATABASES", "PASSWORD", "USER"]

DATABASES: Final = ("accounts", "inventory", "payment", "notification")

USER: Final = "sagamesh"
PASSWORD: Final = "sandbox"  # noqa: S105 - no secret: it opens nothing but the sandbox's own databases, on loopback
"""Of a user who owns the databases and is no superuser, so that whoever knows it cannot run programs as the server."""
