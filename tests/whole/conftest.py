"""A whole embedded stack, as `sagamesh up` makes it, on free ports and in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mesh_workers.books_check import Sources
from sagamesh.load.check import pool_environment
from sagamesh.stack.place import Place
from sagamesh.stack.state import load

ROOT = Path(__file__).parents[2]
SAGAMESH = str(Path(sys.executable).parent / "sagamesh")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: its folder, whether it hosts tasks inline, and the command line to it."""

    folder: Path
    inline: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "SAGAMESH_"))},
            "SAGAMESH_DIR": str(self.folder),
        }

    def command(
        self, *arguments: str, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SAGAMESH, *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def up(self, *options: str) -> None:
        """Start it, on free ports unless `options` name some."""
        hosting = ["--inline"] if self.inline else []
        done = self.command("up", "--detach", *(options or ("--port", "0")), *hosting)
        assert done.returncode == 0, done.stdout + done.stderr

    def down(self) -> None:
        done = self.command("down")
        assert done.returncode == 0, done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        done = self.command("status", "--json")
        state: dict[str, Any] = json.loads(done.stdout)
        return state

    def state(self) -> dict[str, Any]:
        """The stack's own state file, which costs no process to read."""
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        return state

    @property
    def address(self) -> str:
        address: str = self.state()["address"]
        return address

    async def pid(self, part: str) -> int:
        """The process of a part, as soon as it is ready."""
        while True:
            [found] = [known for known in self.state()["parts"] if known["name"] == part]
            if found["stage"] == "ready" and found["process"] is not None:
                pid: int = found["process"]["pid"]
                return pid
            await asyncio.sleep(0.1)

    @property
    def pool_environment(self) -> dict[str, str]:
        """The environment of its pools."""
        return pool_environment(load(Place(root=ROOT, folder=self.folder)))

    @property
    def sources(self) -> Sources:
        """Where its books are, as its pools know it."""
        return Sources.of(self.pool_environment)


@pytest.fixture(params=[False, True], ids=["pools", "inline"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A stack for a test that breaks it; it is stopped at the end. Once with a pool for each agent, once inline."""
    with _running(tmp_path, inline=request.param) as made:
        yield made


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for tests that only use it, or kill what comes back by itself."""
    with _running(tmp_path_factory.mktemp("shared")) as made:
        yield made


@contextmanager
def _running(folder: Path, *, inline: bool = False) -> Iterator[Stack]:
    made = Stack(folder / "stack", inline)
    made.up()
    try:
        yield made
    finally:
        made.down()
