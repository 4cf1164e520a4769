"""Where the embedded stack of a project keeps what it must not lose."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["Place"]

_VARIABLE = "SAGAMESH_DIR"


@dataclass(frozen=True, slots=True)
class Place:
    """A project's root and the stack's folder: `.sagamesh` in the root, or what SAGAMESH_DIR says.

    `data/` and `temporal.db` are the state that survives `down`; the rest describes the stack that runs now.
    """

    root: Path
    folder: Path

    @classmethod
    def of(cls, root: Path) -> Self:
        """The stack's place for the project at `root`. A relative SAGAMESH_DIR counts from the root."""
        root = root.resolve()
        return cls(root=root, folder=root / (os.environ.get(_VARIABLE) or ".sagamesh"))

    @property
    def lock(self) -> Path:
        """Held by the one supervisor."""
        return self.folder / "lock"

    @property
    def state(self) -> Path:
        """What runs: see `sagamesh.stack.state`."""
        return self.folder / "state.json"

    @property
    def request(self) -> Path:
        """A rolling restart that is asked for, while it is under way: see `sagamesh.stack.restart`."""
        return self.folder / "restart.json"

    @property
    def database(self) -> Path:
        """The Temporal server's database."""
        return self.folder / "temporal.db"

    @property
    def data(self) -> Path:
        """The pools' databases, and a folder for each helper."""
        return self.folder / "data"

    @property
    def faults(self) -> Path:
        """The rules of faults that its pools follow while it is there: see `sagamesh.faults`."""
        return self.folder / "faults.json"

    def log(self, part: str) -> Path:
        """The log of a part."""
        return self.folder / "logs" / f"{part}.log"

    def create(self) -> None:
        """Make the folders, and keep them out of version control.

        Raises:
            OSError: when they cannot be made.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """The variable by which another process finds the same place."""
        return {_VARIABLE: str(self.folder)}
