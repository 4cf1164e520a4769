"""A PostgreSQL server on this machine: where its programs are, who must own its data, which settings a sandbox takes.

Also loaded by `scripts/postgres`, by its path and with any Python: the standard library only, nothing of the project.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["INITDB", "SETTINGS", "UNAVAILABLE", "Unavailable", "find_owner", "find_programs", "options", "start"]

UNAVAILABLE = 69
"""The exit code where the machine has no PostgreSQL: EX_UNAVAILABLE of sysexits.h."""

INITDB = ("--encoding=UTF8", "--no-locale", "--no-sync")

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # Against power cuts only: what a process has written stays in the kernel when it is killed.
    "fsync": "off",
}

_PROGRAMS = ("initdb", "postgres")
_FOLDERS = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PostgreSQL's own packages for Red Hat
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


class Unavailable(Exception):
    """This machine cannot run a PostgreSQL server."""


def find_programs() -> Path:
    """The folder of the server's programs: the one on the PATH, else the newest that is installed.

    Raises:
        Unavailable: when there is none.
    """
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    found = [folder for pattern in _FOLDERS for folder in Path("/").glob(pattern)]
    folders += sorted(found, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True)
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in _PROGRAMS):
            return folder
    raise Unavailable("PostgreSQL is not installed on this machine: scripts/system-packages installs it")


def find_owner() -> str | None:
    """The user that the server must run as: it refuses to run as root. None for the one that runs this.

    Raises:
        Unavailable: for root where there is no user postgres.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise Unavailable("PostgreSQL refuses to run as root, and there is no user postgres to run it as") from None


def options(settings: dict[str, str]) -> list[str]:
    """Settings as arguments of `postgres`."""
    return [f"--{name}={value}" for name, value in settings.items()]


def start(
    command: Sequence[str], *, owner: str | None, folder: Path, stdin: int, output: int | None
) -> subprocess.Popen[bytes]:
    """One of the programs as its owner, in a folder that this one may enter; `output` is for both streams."""
    return subprocess.Popen(  # noqa: S603 - found by find_programs
        list(command),
        stdin=stdin,
        stdout=output,
        stderr=output,
        cwd=folder,
        user=owner,
        group=None if owner is None else pwd.getpwnam(owner).pw_gid,
        extra_groups=None if owner is None else [],
    )
