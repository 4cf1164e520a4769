"""Spans of what calls make in turn: each library that has an instrumentation of OpenTelemetry installed."""

from __future__ import annotations

import logging
import os
from importlib.metadata import entry_points
from typing import Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

__all__ = ["instrument"]

_log = logging.getLogger("sagamesh.tracing")

_GROUP: Final = "opentelemetry_instrumentor"
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


def instrument() -> None:
    """Switch on the installed instrumentations, but for those that the environment names; what cannot be is logged."""
    disabled = {name.strip() for name in os.environ.get(_DISABLED, "").split(",")}
    for found in entry_points(group=_GROUP):
        if found.name in disabled or "*" in disabled:
            continue
        try:
            instrumentor = found.load()()
            conflict = get_dependency_conflicts(instrumentor.instrumentation_dependencies())
            if conflict is None:
                instrumentor.instrument(skip_dep_check=True)
            elif conflict.found or conflict.found_any:
                _log.warning("no spans of %s: %s", found.name, conflict)
            # Else its library is not there: one package may bring several instrumentations.
        except Exception as error:  # whatever somebody else's package does: spans are no reason not to work
            _log.warning("no spans of %s: %s: %s", found.name, type(error).__name__, error)
