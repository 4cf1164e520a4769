"""A mix of inputs for a load: which kinds there are, how often each is sent, and how it should end."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final, NamedTuple, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json, to_json

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldError, FieldProblem, field_problems
from sagamesh.load.steering import Answer, Steering
from sagamesh.task import Task

__all__ = ["COMPLETED", "Deck", "Drawn", "Entry", "Mix", "read_mix"]

COMPLETED: Final = "completed"

_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_RANGE: Final = re.compile(r"int:(-?\d+)\.\.(-?\d+)")
_MOST_ENTRIES: Final = 1000

_Outcome: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]

Pick: TypeAlias = Callable[[Sequence[Any]], Any]
"""Takes one of several."""


class Entry(BaseModel):
    """One kind of task.

    - `name`: what the report calls it.
    - `weight`: how often it is sent, against the others' weights.
    - `input`: the task's input as JSON. In its texts `{n}` is the task's number, `{seed}` the seed,
      `{one of:ada|grace}` one of these, `{int:1..5}` a whole number from 1 to 5 (a number, where the text is nothing
      else); `{{` and `}}` are braces.
    - `expect`: `completed`, or the type of the failure that it should end with; several where any of them is right.
    - `cancel_within`: cancelled at a moment between its sending and so many seconds later, drawn for each task.
    - `answer`: `approve` or `reject`, for the question that it asks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    input: dict[str, Any]
    expect: _Outcome | Annotated[tuple[_Outcome, ...], Field(min_length=1, max_length=20)] = COMPLETED
    cancel_within: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] | None = None
    answer: Answer | None = None

    @property
    def expected(self) -> tuple[str, ...]:
        """The outcomes that are right."""
        return (self.expect,) if isinstance(self.expect, str) else self.expect


class Mix(BaseModel):
    """The entries of a mix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: Annotated[tuple[Entry, ...], Field(min_length=1, max_length=_MOST_ENTRIES)]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [entry.name for entry in self.entries]
        for n, name in enumerate(names):
            if name in names[:n]:
                raise FieldError(f"entries[{n}].name", f"{name!r} is the name of another entry, too")
        return self

    @model_validator(mode="after")
    def _shares_have_a_sum(self) -> Self:
        if sum(entry.weight for entry in self.entries) == math.inf:
            raise FieldError("entries", "the weights add up to more than a number holds; make them smaller")
        return self


def read_mix(path: Path) -> Mix:
    """The mix of a file: TOML where its name ends so, else JSON.

    Raises:
        InvalidInput: when it cannot be read, or naming each entry and field that is wrong.
    """
    subject = f"the mix {path}"
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text) if path.suffix == ".toml" else from_json(text)
    except OSError as error:
        raise _wrong(subject, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # of either format, or no UTF-8
        raise _wrong(subject, f"is no {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}") from None
    try:
        return Mix.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(subject, field_problems(error)) from None


class Drawn(NamedTuple):
    """The task of one number: which kind it is, its input, how it may end, and what is done to it meanwhile."""

    kind: str
    input: BaseModel
    expect: tuple[str, ...]
    steering: Steering


class Deck:
    """A mix for one task and seed: the same number always gives the same input, in whatever order they are drawn.

    Raises:
        InvalidInput: naming entry and field, when an alternative that it may draw makes an input that is none of the
            task's. Alternatives that do not go together show in `rehearse`.
    """

    def __init__(self, mix: Mix, task: Task[Any, Any], seed: int) -> None:
        self.task = task
        self.seed = seed
        self._entries = mix.entries
        self._weights = list(accumulate(entry.weight for entry in mix.entries))
        for index in range(len(mix.entries)):
            self._try(index)

    def draw(self, n: int) -> Drawn:
        """The task of this number.

        Raises:
            InvalidInput: when its number makes an input that the task does not take.
        """
        index, dice = self._dealt(n)
        entry = self._entries[index]
        input = self._input(index, n, dice.choice, which=f", task {n}")
        cancel_after = None if entry.cancel_within is None else dice.uniform(0, entry.cancel_within)
        return Drawn(entry.name, input, entry.expected, Steering(cancel_after, entry.answer))

    def entry(self, n: int) -> Entry:
        """What the task of this number is made from, also where no input comes of it."""
        return self._entries[self._dealt(n)[0]]

    def rehearse(self, numbers: Iterable[int]) -> None:
        """Draw the tasks of these numbers, as they will be drawn again.

        Raises:
            InvalidInput: naming the first of them whose input the task does not take, by entry and field.
        """
        for n in numbers:
            self.draw(n)

    def _dealt(self, n: int) -> tuple[int, Random]:
        """Which entry it is, and the dice with which its input is made."""
        dice = Random(f"{self.seed}:{n}")  # noqa: S311 - it must be repeatable, not secret
        [index] = dice.choices(range(len(self._entries)), cum_weights=self._weights)
        return index, dice

    def _try(self, index: int) -> None:
        """Make inputs until each alternative of each placeholder has been in one."""
        turns = 1
        turn = 0

        def pick(options: Sequence[Any]) -> Any:
            nonlocal turns
            # Of a range only its ends may be wrong while what lies between them is right.
            options = (options[0], options[-1]) if isinstance(options, range) else options
            turns = max(turns, len(options))
            return options[turn % len(options)]

        while turn < turns:
            self._input(index, turn, pick)
            turn += 1

    def _input(self, index: int, n: int, pick: Pick, *, which: str = "") -> BaseModel:
        entry, root = self._entries[index], f"entries[{index}].input"
        made = self._filled(entry.input, root, n, pick)
        try:
            model: BaseModel = self.task.takes.model_validate_json(to_json(made))
        except ValidationError as error:
            raise InvalidInput(f"the mix, entry {entry.name!r}{which}", field_problems(error, root=root)) from None
        return model

    def _filled(self, value: Any, path: str, n: int, pick: Pick) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(each, f"{path}.{key}", n, pick) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each, f"{path}[{place}]", n, pick) for place, each in enumerate(value)]
        if not isinstance(value, str) or not ("{" in value or "}" in value):
            return value
        only = _PLACEHOLDER.fullmatch(value)
        if only is not None and only[1] is not None:
            return self._meant(only[1], path, n, pick)
        return _PLACEHOLDER.sub(
            lambda found: found[0][0] if found[1] is None else str(self._meant(found[1], path, n, pick)), value
        )

    def _meant(self, word: str, path: str, n: int, pick: Pick) -> Any:
        if word == "n":
            return str(n)
        if word == "seed":
            return str(self.seed)
        if word.startswith("one of:"):
            return pick(word.removeprefix("one of:").split("|"))
        bounds = _RANGE.fullmatch(word)
        if bounds is not None and int(bounds[1]) <= int(bounds[2]):
            return pick(range(int(bounds[1]), int(bounds[2]) + 1))
        known = "{n}, {seed}, {one of:a|b} and {int:1..5}, and {{ is a brace"
        raise InvalidInput("the mix", [FieldProblem(field=path, problem=f"{{{word}}} is unknown; there are {known}")])


def _wrong(subject: str, problem: str) -> InvalidInput:
    return InvalidInput(subject, [FieldProblem(field="", problem=problem)])
