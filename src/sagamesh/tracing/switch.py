"""Switches tracing on where it is wanted. While it is off, this costs a look at the environment."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from temporalio.client import Interceptor

from sagamesh.tracing.environment import wants_traces

__all__ = ["trace_client", "trace_process", "untraced"]

_log = logging.getLogger("sagamesh.tracing")

_SERVICE: Final = "sagamesh"


def trace_client() -> Sequence[Interceptor]:
    """What a client needs so that what it does is traced; nothing while tracing is off.

    Raises:
        InvalidInput: when the environment asks for what there is not.
    """
    if not _on(_SERVICE):
        return ()
    from sagamesh.tracing.provider import interceptors

    return interceptors()


def trace_process(service: str) -> None:
    """Trace this worker process, and what its libraries call, where they have an instrumentation installed.

    - `service`: the service's name where the environment gives none.

    Raises:
        InvalidInput: when the environment asks for what there is not.
    """
    if _on(service):
        # That a batch was lost is news; that it is tried again is none.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
        from sagamesh.tracing.libraries import instrument

        instrument()


def untraced() -> AbstractContextManager[None]:
    """Let libraries make no spans in the block, nor in what it starts: looks that nobody asked for are no traces."""
    if "sagamesh.tracing.libraries" not in sys.modules:
        return nullcontext()
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    return suppress_instrumentation()


def _on(service: str) -> bool:
    if not wants_traces(os.environ):
        return False
    try:
        from sagamesh.tracing.provider import provide
    except ImportError as error:
        _log.warning("nothing is traced, although the environment asks for it: install sagamesh[tracing] (%s)", error)
        return False
    provide(service)
    return True
