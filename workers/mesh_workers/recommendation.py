"""The pool of the agent `recommendation`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.recommendation import Recommendations
from mesh_agents.recommendation import learn, recommendation, suggest
from mesh_workers import dependencies
from mesh_workers.settings import RecommendationSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `recommendation` from the database that SAGAMESH_RECOMMENDATION_DATABASE names."""
    settings = read_settings(RecommendationSettings)
    async with (
        Recommendations.open(settings.database) as adviser,
        dependencies.database(settings.database) as answers,
    ):
        yield (
            Pool(recommendation, checks={"database": answers})
            .serve(learn, adviser.learn)
            .serve(suggest, adviser.suggest)
        )
