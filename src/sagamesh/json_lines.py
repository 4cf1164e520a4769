"""Log records as JSON, one a line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from sagamesh.logs import about

__all__ = ["JsonLines"]

_ENGINE: Final = ("temporal_log", "temporal_activity", "temporal_workflow", "activity_info", "workflow_info")
"""What the engine's library puts beside its records; what is known of it stands in fields of its own."""


class JsonLines(JsonFormatter):
    """`time` (ISO 8601, UTC), `level`, `logger`, `message`, what the record is about, what was logged as `extra`.

    An error is an `exception`: its `type`, `message` and `stacktrace`.
    """

    def __init__(self) -> None:
        super().__init__(reserved_attrs=[*RESERVED_ATTRS, "taskName", *_ENGINE], json_ensure_ascii=False)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """As the base class says."""
        trace = message_dict.pop("exc_info", None)
        super().add_fields(log_data, record, message_dict)
        # Last, because no extra field may stand for one of these.
        log_data |= {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.message,
            **about(record),
        }
        if trace is not None:
            kind, error = (record.exc_info or (None, None))[:2]
            log_data["exception"] = {
                "type": f"{kind.__module__}.{kind.__qualname__}" if kind is not None else "",
                "message": str(error) if error is not None else "",
                "stacktrace": trace,
            }
