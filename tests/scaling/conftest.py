"""The rendered chart, for the numbers in it."""

from __future__ import annotations

from tests.deploy.conftest import chart

__all__ = ["chart"]  # a fixture
