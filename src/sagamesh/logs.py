"""How a worker process logs: lines for people or JSON for programs, both with the task and call that they are about."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

from temporalio import activity, workflow

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.settings import WorkerSettings
from sagamesh.tracing.trace import TRACE
from sagamesh.whereabouts import agent_of, whereabouts

__all__ = ["Lines", "about", "keep_logs"]

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_DETAILS: Final = ("temporal_activity", "temporal_workflow")
"""What the engine's library puts beside a record about a call or a task."""

_TALKATIVE: Final = "httpx"
"""Logs the address of each request at INFO, with whatever is in its query."""


def keep_logs(settings: WorkerSettings) -> None:
    """Log to standard error from now on, Python's warnings included, unless this process logs somewhere already.

    Raises:
        InvalidInput: when what writes JSON is not installed.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if settings.log_format == "json" else Lines(_FORMAT))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.captureWarnings(True)
    if settings.log_level != "DEBUG":
        logging.getLogger(_TALKATIVE).setLevel(logging.WARNING)
    # Each line says it at its end or in its fields.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False


def about(record: logging.LogRecord) -> dict[str, str | int]:
    """What a record is about, where it is known: `whereabouts` of the code that logged, `trace` and `span`."""
    found = dict(whereabouts()) or _told(record)
    ids = TRACE.get()
    return found if ids is None else {**found, "trace": ids.trace, "span": ids.span}


class Lines(logging.Formatter):
    """A line for people, ending with what it is about; below it the traceback, where there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class calls it so
        """As the base class says."""
        line = super().formatMessage(record)
        known = about(record)
        return f"{line} [{' '.join(f'{name}={value}' for name, value in known.items())}]" if known else line


def _told(record: logging.LogRecord) -> dict[str, str | int]:
    """What the engine's library wrote beside a record that it logged for a task or call, outside of its code."""
    for name in _DETAILS:
        details = getattr(record, name, None)
        if isinstance(details, Mapping):
            return _known(details)
    return _known(getattr(getattr(record, "temporal_log", None), "fields", {}))


def _known(details: Mapping[str, Any]) -> dict[str, str | int]:
    capability = str(details.get("activity_type") or "")
    known = {
        "task": details.get("workflow_id"),
        "run": details.get("workflow_run_id") or details.get("run_id"),
        "type": None if capability else details.get("workflow_type"),
        "agent": agent_of(capability),
        "capability": capability,
        "attempt": details.get("attempt"),
    }
    return {name: value if isinstance(value, int) else str(value) for name, value in known.items() if value}


def _json() -> logging.Formatter:
    try:
        from sagamesh.json_lines import JsonLines
    except ImportError as error:
        problem = f"json needs sagamesh[logs] ({error})"
        raise InvalidInput("the environment", [FieldProblem(field="SAGAMESH_LOG_FORMAT", problem=problem)]) from None
    return JsonLines()
