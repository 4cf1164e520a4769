"""The reference application on PostgreSQL instead of SQLite files: `sagamesh up --mesh postgres`.

One server beside the gateway and the mail, with a database for each agent that has one. `sagamesh chaos` kills it.
"""

from __future__ import annotations

import signal
from dataclasses import replace

import mesh_workers
from mesh_workers.sandbox.postgres_login import PASSWORD, USER
from sagamesh import Helper

__all__ = ["app"]

app = replace(
    mesh_workers.app,
    helpers=(
        *mesh_workers.app.helpers,
        Helper(
            name="database",
            module="mesh_workers.sandbox.postgres",
            port=7304,
            ready_check="mesh_workers.sandbox.postgres:answers",
            stop_signal=signal.SIGINT,  # after SIGTERM it waits until everybody has gone
            provides={
                variable: f"postgresql+asyncpg://{USER}:{PASSWORD}@127.0.0.1:{{port}}/{name}"
                for name, variable in mesh_workers.app.databases.items()
            },
        ),
    ),
    embedded={
        variable: value
        for variable, value in mesh_workers.app.embedded.items()
        if variable not in mesh_workers.app.databases.values()
    },
)
