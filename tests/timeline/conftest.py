"""Histories to read."""

from __future__ import annotations

import pytest
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure

from tests.timeline.histories import Script


@pytest.fixture
def script() -> Script:
    """A history that has not begun."""
    return Script()


@pytest.fixture
def begun(script: Script) -> Script:
    """A history that has begun."""
    script.start()
    return script


@pytest.fixture
def declined() -> Failure:
    """What an agent answers with."""
    return Failure(
        message="no money", application_failure_info=ApplicationFailureInfo(type="Declined", non_retryable=True)
    )
