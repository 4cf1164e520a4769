"""The pool of the agent `notification`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.notification import Mailer
from mesh_agents.notification import confirm_order, notification
from mesh_workers import dependencies
from mesh_workers.settings import NotificationSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `notification` through the mail server that SAGAMESH_MAIL_HOST names."""
    settings = read_settings(NotificationSettings)
    async with (
        Mailer.open(
            settings.database,
            settings.host,
            settings.port,
            settings.sender,
            tls=settings.tls,
            username=settings.username,
            password=settings.password,
            ca_file=settings.ca_file,
        ) as mailer,
        dependencies.database(settings.database) as answers,
    ):
        checks = {"database": answers, "mail server": dependencies.mail_server(settings)}
        yield Pool(notification, checks=checks).serve(confirm_order, mailer.confirm_order)
