"""The address of a database: checked before anything is opened, and named where it cannot be.

Nothing here shows a user or a password.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from sagamesh.errors import DependencyUnreachable, InvalidInput, SagameshError
from sagamesh.failure import FieldProblem
from sagamesh.settings import wrong_setting

__all__ = ["DatabaseUrl", "address_of", "obstacle_to_opening", "wrong_address"]

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_FORM: Final = "a database URL looks like sqlite:///path.db or postgresql://user:password@host/name"

# What SQLite and PostgreSQL (SQLSTATE) say where the address is wrong, and where it is right and cannot be used now.
_WRONG: Final = ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_PERM", "28", "3D000", "42501")
_AWAY: Final = (
    *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CORRUPT"),
    *("08", "53", "55P03", "57P", "58"),
)


def address_of(url: str) -> URL:
    """The parts of a database's URL, with the driver that is used.

    Raises:
        ValueError: for a URL of another kind, or a SQLite database without a file.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # the latter quotes what it takes for the port: perhaps part of a password
        raise ValueError(_FORM) from None
    address = address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))
    if address.drivername not in _DRIVERS.values():
        raise ValueError(f"a database is sqlite or postgresql, not {address.drivername}")
    if address.get_backend_name() == "sqlite":
        if address.database in (None, "", ":memory:"):
            raise ValueError(
                "a SQLite database needs a file (sqlite:///path.db): in memory each connection has its own"
            )
    elif address.port is not None and not 0 < address.port < 65536:
        raise ValueError(f"a port is between 1 and 65535, not {address.port}")
    elif "sslmode" in address.query:
        raise ValueError("the driver's word for sslmode is ssl: write ?ssl=require")
    return address


def _usable(url: str) -> str:
    address = address_of(url)
    if address.get_backend_name() == "sqlite" and address.database and not address.database.startswith("file:"):
        file = Path(address.database)
        if not file.parent.is_dir():
            raise ValueError(f"there is no folder {file.parent} for the SQLite file {file.name}: make it first")
        if file.is_dir():
            raise ValueError(f"{file} is a folder: a SQLite database needs a file in it, such as {file / 'data.db'}")
        # Beside the file SQLite keeps its log.
        refusing = next((path for path in (file.parent, file) if path.exists() and not os.access(path, os.W_OK)), None)
        if refusing is not None:
            raise ValueError(f"{refusing} cannot be written by this user")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_usable)]
"""For a settings class: the URL of a database as `Database.open` takes it; SQLite's folder must be there."""


def wrong_address(url: str, problem: str) -> InvalidInput:
    """The error for an address that is wrong; names the environment variable that holds it."""
    names = _variables(url)
    if not names:
        return InvalidInput("the database URL", [FieldProblem(field="", problem=problem)])
    return wrong_setting(names, problem)


def obstacle_to_opening(url: str, address: URL, error: Exception) -> SagameshError | None:
    """What an error at the first use of a database means; None where it says nothing about the address."""
    cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    if cause is not None and not isinstance(cause, sqlite3.Error) and cause.__cause__ is not None:
        cause = cause.__cause__  # the driver's own, below the one that SQLAlchemy makes of it
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorname", "")
    else:
        code = getattr(cause, "sqlstate", None) or ""
    said = (_reason(cause) or str(cause) or type(cause).__name__).partition("\n")[0]
    if code.startswith(_WRONG):
        return wrong_address(url, f"{_place(address)} cannot be opened: {said}")
    if isinstance(cause, OSError) or code.startswith(_AWAY):
        names = _variables(url)
        named = f" ({names})" if names else ""
        advice = "see that it runs and can be reached from here, or correct the address"
        return DependencyUnreachable(f"{_place(address)}{named} cannot be reached: {said}; {advice}")
    return None


def _reason(cause: BaseException | None) -> str:
    """The operating system's words; event loops put their own in their place."""
    if not isinstance(cause, OSError):
        return ""
    if isinstance(cause, ConnectionError) and cause.errno is not None:
        return os.strerror(cause.errno)
    return cause.strerror or ""


def _place(address: URL) -> str:
    if address.get_backend_name() == "sqlite":
        return f"the SQLite file {address.database}"
    host = address.host or address.query.get("host") or "the default host"
    where = f"[{host}]" if ":" in host else str(host)
    return f"the PostgreSQL database {address.database or '(default)'} at {where}:{address.port or 5432}"


def _variables(url: str) -> str:
    """The environment variables with this value: whoever opens a database knows its URL only."""
    return " or ".join(sorted(name for name, value in os.environ.items() if value == url))
