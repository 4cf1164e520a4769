"""Where the rules come from: a file that may appear, change and vanish while a pool runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import ValidationError

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem, field_problems
from sagamesh.faults.rules import Rules

__all__ = ["VARIABLE", "RuleFile"]

VARIABLE: Final = "SAGAMESH_FAULTS"

_log = logging.getLogger("sagamesh.faults")

_Version: TypeAlias = tuple[int, int, int]
_NONE: Final = Rules()


class RuleFile:
    """The rules as the file holds them now.

    Raises:
        InvalidInput: when the file is there already and is not valid, naming each field.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _version(path)
        self._rules = _NONE if self._version is None else _read(path)

    def current(self) -> Rules:
        """The rules. A file that has become wrong is reported in the log, and what held before goes on."""
        version = _version(self._path)
        if version == self._version:
            return self._rules
        self._version = version
        if version is None:
            self._rules = _NONE
            _log.info("no faults any more: %s is gone", self._path)
            return self._rules
        try:
            self._rules = _read(self._path)
        except InvalidInput as error:
            _log.error("%s; the rules from before it stay", error)
        else:
            _log.info("%d rules of faults from %s", len(self._rules.rules), self._path)
        return self._rules


def _version(path: Path) -> _Version | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked once a call, and a Path's own takes twice as long
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> Rules:
    try:
        body = path.read_bytes()
    except FileNotFoundError:  # gone since it was looked at
        return _NONE
    except OSError as error:
        raise InvalidInput(VARIABLE, [FieldProblem(field="", problem=f"{path}: {error.strerror}")]) from error
    try:
        return Rules.model_validate_json(body)
    except ValidationError as error:
        raise InvalidInput(f"{VARIABLE} ({path})", field_problems(error)) from None
