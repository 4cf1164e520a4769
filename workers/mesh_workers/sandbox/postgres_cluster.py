"""The data of the sandbox's PostgreSQL server: where it lies, made once, and free of what a killed server has left."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from mesh_workers.sandbox.postgres_login import DATABASES, PASSWORD, USER
from mesh_workers.sandbox.postgres_programs import INITDB, SETTINGS, options, start

__all__ = ["Broken", "Cluster"]

_PATIENCE: Final = 20.0
"""Seconds for which processes of an earlier server may still use the data. They notice its death within one."""

_HOST_ACCESS: Final = f"""\
host all {USER} 127.0.0.1/32 scram-sha-256
host all {USER} ::1/128 scram-sha-256
"""


class Broken(Exception):
    """The data cannot be made or used; the message says why, for people."""


class Cluster:
    """The server's data below one folder.

    - `folder`: of the helper.
    - `programs`: the folder of the server's programs.
    - `owner`: the user to whom the data must belong; None for the one that runs this.
    """

    def __init__(self, folder: Path, programs: Path, owner: str | None) -> None:
        self._folder = folder.resolve()
        self._programs = programs
        self._owner = owner

    def ready(self) -> Path:
        """The folder of the data, made where there is none, and used by no other process.

        Raises:
            Broken: when it cannot be made, has been removed, or is still in use after 20 s.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        base = self._base()
        data = base / "data"
        if data.is_dir():
            self._wait_until_unused(data)
        else:
            self._make(base, data)
        return data

    def _base(self) -> Path:
        note = self._folder / "elsewhere"
        if note.exists():
            base = Path(note.read_text(encoding="utf-8").strip())
            if not base.is_dir():
                raise Broken(
                    f"the data was in {base}, which is gone; remove {self._folder.parent} to begin without any of it"
                )
            return base
        if self._owner is None or _open_to_all(self._folder):
            return self._folder
        base = Path(tempfile.mkdtemp(prefix="sagamesh-database-")).resolve()
        shutil.chown(base, self._owner)
        note.write_text(f"{base}\n", encoding="utf-8")
        return base

    def _make(self, base: Path, data: Path) -> None:
        """Under another name until it is complete, so that a half of it is never taken for the whole."""
        for half in base.glob("new-*"):
            # Who was killed at it may have left somebody who still writes; that is in nobody's way.
            shutil.rmtree(half, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=base))
        if self._owner is not None:
            shutil.chown(new, self._owner)
        # Nobody logs in as the superuser: it has no password, and no line below lets it in.
        self._run("initdb", new, "--username=postgres", "--auth=reject", *INITDB)
        (new / "pg_hba.conf").write_text(_HOST_ACCESS, encoding="utf-8")
        statements = [f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"]
        statements += [f'CREATE DATABASE "{name}" OWNER {USER}' for name in DATABASES]
        self._run(
            "postgres", new, *options({**SETTINGS, "exit_on_error": "on"}), "postgres",
            first="--single", sql="".join(f"{statement}\n" for statement in statements),
        )  # fmt: skip
        new.rename(data)

    def _run(self, program: str, data: Path, *arguments: str, first: str = "", sql: str = "") -> None:
        command = [str(self._programs / program), *([first] if first else []), "-D", str(data), *arguments]
        process = start(command, owner=self._owner, folder=data, stdin=subprocess.PIPE, output=None)
        process.communicate(sql.encode())
        if process.returncode != 0:
            raise Broken(f"{program} ended with exit code {process.returncode}; what it said stands above")

    def _wait_until_unused(self, data: Path) -> None:
        """What a killed server has left holds its memory for a moment, and no other can use the data until then."""
        began = time.monotonic()
        said = False
        while users := _working_in(data):
            named = ", ".join(map(str, users))
            if time.monotonic() > began + _PATIENCE:
                raise Broken(f"{data} is used by another PostgreSQL server: process {named}")
            if not said:
                print(f"waiting for what an earlier server has left: process {named}", file=sys.stderr)  # noqa: T201
                said = True
            time.sleep(0.05)
        # The server that is killed leaves its number here. Somebody else may have it by now, and the next server would
        # take that one for the last.
        (data / "postmaster.pid").unlink(missing_ok=True)


def _open_to_all(folder: Path) -> bool:
    """Whether any user may go through the folder and all above it."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


def _working_in(data: Path) -> list[int]:
    """The server's processes whose current folder is the data: itself, and those that it started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(data):
                found.append(process.pid)
        except (psutil.Error, OSError):  # it has ended meanwhile, or is somebody else's
            continue
    return found
