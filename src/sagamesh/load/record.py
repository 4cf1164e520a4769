"""How the tasks of a load ended, kept on disk: a load of any length needs the same memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from sagamesh.load.mix import Deck

__all__ = ["Ended", "Record"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A task that was sent and has ended.

    - `kind`: the entry of the mix that it came from.
    - `outcome`: `completed`, or the type of the failure.
    - `result`: of a completed task.
    """

    id: str
    kind: str
    input: BaseModel
    outcome: str
    result: BaseModel | None = None

    @property
    def completed(self) -> bool:
        """Whether it ended with a result."""
        return self.result is not None


class Record:
    """The endings, in the order in which they were added; may be read more than once. A context manager."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck
        self._file = tempfile.TemporaryFile(prefix="sagamesh-load-")  # noqa: SIM115 - __exit__ closes it
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, id: str, n: int, outcome: str, result: BaseModel | None) -> None:
        """Keep how the task of number `n` ended."""
        self._file.seek(0, os.SEEK_END)  # somebody may have read
        # The input is not kept: its number makes it again.
        self._file.write(to_json([id, n, outcome, result]) + b"\n")
        self._count += 1

    def __iter__(self) -> Iterator[Ended]:
        self._file.seek(0)
        for line in self._file:
            id, n, outcome, result = from_json(line)
            drawn = self.deck.draw(n)
            yield Ended(id, drawn.kind, drawn.input, outcome, self._result(result))

    def _result(self, result: Any) -> BaseModel | None:
        if result is None:
            return None
        model: BaseModel = self.deck.task.returns.model_validate_json(to_json(result))
        return model
