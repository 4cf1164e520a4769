"""Where the engine's client library logs."""

from __future__ import annotations

import logging

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

__all__ = ["log_through_python"]


def log_through_python() -> None:
    """Let the engine's library log through Python's `logging` in this process, from warnings upwards.

    By itself it writes to standard output, where it would stand in the middle of JSON. For processes that are
    Sagamesh's own; call it before the first connection. A runtime that is set already stays.
    """
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), append_target_to_name=False, prepend_target_on_message=False
    )
    log = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=log)), error_if_already_set=False)
