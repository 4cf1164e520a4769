"""A real PostgreSQL server for the embedded stack, with a database for each agent of the order shop that has one.

    python -m mesh_workers.sandbox.postgres --host 127.0.0.1 --port 5432 --dir FOLDER

The process becomes the server: it keeps its number, and who kills it kills the database. The data is made by the first
start, in FOLDER; where root runs this, and the server's user cannot get there, in a folder for temporary files, which
FOLDER names in `elsewhere`. What was committed survives kill -9 of any of its processes; a power cut may spoil it all.

Exit codes: 1 the server cannot be started, 69 there is none on this machine.
"""

from __future__ import annotations

import argparse
import ctypes
import ipaddress
import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from sqlalchemy import URL, NullPool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from mesh_workers.sandbox.postgres_cluster import Broken, Cluster
from mesh_workers.sandbox.postgres_login import DATABASES, PASSWORD, USER
from mesh_workers.sandbox.postgres_programs import (
    SETTINGS,
    UNAVAILABLE,
    Unavailable,
    find_owner,
    find_programs,
    options,
)
from sagamesh.stack import launch

__all__ = ["answers", "main"]

_SETTINGS: Final = {
    **SETTINGS,
    # Written down before it is answered: what a killed server has said to be committed is.
    "synchronous_commit": "on",
    # SIGKILL may cut the write of a page in two.
    "full_page_writes": "on",
}

_PR_GET_PDEATHSIG: Final = 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Make the data where there is none, and become the server. SIGINT stops it, SIGTERM once nobody is connected."""
    parser = argparse.ArgumentParser(prog="python -m mesh_workers.sandbox.postgres", description="A database sandbox.")
    parser.add_argument("--host", default="127.0.0.1", type=_loopback)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--dir", type=Path, required=True, help="where the data is kept")
    chosen = parser.parse_args(arguments)
    parent = os.getppid()
    try:
        programs, owner = find_programs(), find_owner()
        data = Cluster(chosen.dir, programs, owner).ready()
    except Unavailable as reason:
        parser.exit(UNAVAILABLE, f"{reason}\n")
    except (Broken, OSError) as reason:
        parser.exit(1, f"{reason}\n")
    settings = {**_SETTINGS, "listen_addresses": chosen.host, "port": str(chosen.port)}
    _become([str(programs / "postgres"), "-D", str(data), *options(settings)], data, owner, parent)


async def answers(port: int) -> str | None:
    """Whether the server on this port serves: None, or what it says. Its port is open while it still recovers."""
    url = URL.create(
        "postgresql+asyncpg", username=USER, password=PASSWORD, host="127.0.0.1", port=port, database=DATABASES[0]
    )
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError) as error:
        return f"it does not answer on port {port}: {str(error).partition(chr(10))[0]}"
    finally:
        await engine.dispose()
    return None


def _become(command: list[str], data: Path, owner: str | None, parent: int) -> NoReturn:
    dies_with_parent = _dies_with_parent()
    os.chdir(data)  # the server's user may not be allowed where this was started
    if owner is not None:
        user = pwd.getpwnam(owner)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if dies_with_parent:  # the kernel forgets it for a process that becomes another user's
        launch.main(parent, command)
    os.execv(command[0], command)  # noqa: S606 - becoming the server is the purpose


def _dies_with_parent() -> bool:
    """Whether whoever started this has the kernel kill it when that one ends."""
    if sys.platform != "linux":
        return False
    wanted = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(wanted), 0, 0, 0)
    return wanted.value != 0


def _loopback(address: str) -> str:
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{address} is no address of this machine's loopback")


if __name__ == "__main__":
    main()
