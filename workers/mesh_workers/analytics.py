"""The pool of the agent `analytics`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.analytics import Analytics
from mesh_agents.analytics import analytics, record, summary
from mesh_workers import dependencies
from mesh_workers.settings import AnalyticsSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `analytics` from the database that SAGAMESH_ANALYTICS_DATABASE names."""
    settings = read_settings(AnalyticsSettings)
    async with (
        Analytics.open(settings.database) as figures,
        dependencies.database(settings.database) as answers,
    ):
        yield (
            Pool(analytics, checks={"database": answers}).serve(record, figures.record).serve(summary, figures.summary)
        )
