"""A server on which versions drain fast, and the command line of a project beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sagamesh import Client, SagameshPlugin
from sagamesh.testing import dev_server
from tests.cli.shop import CommandLine

APP = '''
"""The application of these tests."""

from sagamesh import App, Mesh
from tests.deployments.parcels import courier, parcel

NOTE = "one"


def pool():
    raise NotImplementedError("the tests serve the agents themselves")


app = App(
    mesh=Mesh(courier),
    tasks=(parcel,),
    contracts=("post_app",),
    workflows=("tests.deployments.parcels:First",),
    pools=dict.fromkeys(("courier", "parcels"), "post_app:pool"),
)
'''

_SOON = (
    'matching.wv.VersionDrainageStatusVisibilityGracePeriod="1s"',
    'matching.wv.VersionDrainageStatusRefreshInterval="1s"',
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def post(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of that server, on which nobody serves anything yet; a module's SETTINGS are added to the server's."""
    settings = (*_SOON, *getattr(request.module, "SETTINGS", ()))
    async with dev_server(SagameshPlugin(passthrough=("tests",)), settings=settings) as server:
        yield Client(server.client)


@pytest.fixture
def sagamesh(post: Client, tmp_path: Path) -> CommandLine:
    """The command line of a project with these parcels."""
    (tmp_path / "post_app.py").write_text(APP, encoding="utf-8")
    root = Path(__file__).parents[2]
    return CommandLine(
        tmp_path,
        post.temporal.service_client.config.target_host,
        {"SAGAMESH_APP": "post_app:app", "PYTHONPATH": f"{tmp_path}:{root}", "SAGAMESH_USER": "olga"},
    )
