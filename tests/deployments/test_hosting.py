"""What else a versioned process polls: queues of inline hosting, of kept results, of providers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.common import WorkerDeploymentVersion

from sagamesh import Agent, Client, Message, Pool, Retry, RetryLater, Task, TaskWorkflow, minutes, seconds
from sagamesh.degraded import Degradable
from sagamesh.deployments.build import as_config
from sagamesh.deployments.deployment import troubles
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.routing import set_current
from sagamesh.errors import UnknownName
from sagamesh.fallback import Kept
from sagamesh.results import ResultStore
from sagamesh.testing import served
from tests.support.engine import eventually


class Asked(Message):
    """A book's title."""

    title: str


class Answer(Degradable):
    """Where it stands."""

    shelf: str


library = Agent("library")
archive = library.provider("archive")
find = library.capability(
    "find",
    takes=Asked,
    returns=Answer,
    timeout=seconds(60),
    retry=Retry(attempts=1),
    provider=archive,
    keep=minutes(5),
    fallback=Kept(),
)
glance = library.capability("glance", takes=Asked, returns=Answer, inline=True)
reading = Task("Reading", takes=Asked, returns=Answer, queue="readings", uses=(library,))


@workflow.defn(name="Reading")
class Reading(TaskWorkflow):
    """Looks before it asks."""

    task = reading

    @workflow.run
    async def run(self, arg: Asked) -> Answer:
        await glance(arg)
        return await find(arg)


class Librarian:
    """Finds books, until the archive is closed."""

    closed = False

    async def find(self, _: Asked) -> Answer:
        if self.closed:
            raise RetryLater("the archive is closed")
        return Answer(shelf="A")

    async def glance(self, _: Asked) -> Answer:
        return Answer(shelf="?")


@pytest.mark.asyncio(loop_scope="session")
async def test_every_queue_of_a_process_belongs_to_its_version(post: Client, sqlite_url: str) -> None:
    librarian, version = Librarian(), WorkerDeploymentVersion("reading", "v1")

    async def whole() -> bool:
        try:
            deployment = await load_deployment(post.temporal, "reading")
        except UnknownName:
            return False
        return any(version.whole and len(version.queues) == 5 for version in deployment.versions)

    async with ResultStore.open(sqlite_url) as results:
        hosts = Pool("readings").host(reading, Reading)
        serves = Pool(library, results=results).serve(find, librarian.find).serve(glance, librarian.glance)
        for pool in (hosts, serves):
            pool.configure(slots=10, grace=timedelta(0), deployment=as_config(version))
        async with served(post.temporal, hosts, serves, inline=True):
            await eventually(whole)
            deployment = await load_deployment(post.temporal, "reading")
            assert set(deployment.version("v1").queues) == {
                "readings",
                "readings.inline",
                "library",
                "library/archive",
                "library/archive+kept",
            }
            await set_current(post.temporal, deployment, "v1")
            assert not troubles(await load_deployment(post.temporal, "reading"))
            plain = await post.start(reading, Asked(title="Emma"), id="reading-1")
            assert (await plain.result()).shelf == "A"
            librarian.closed = True
            inline = await post.start(reading, Asked(title="Emma"), id="reading-2", inline=True)
            assert (await inline.result()).degraded is not None
            for task in ("reading-1", "reading-2"):
                described = await post.temporal.get_workflow_handle(task).describe()
                assert (
                    described.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id
                    == "v1"
                )
