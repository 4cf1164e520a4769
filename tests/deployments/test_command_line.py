"""The command line of releases, beside real workers: what it prints, its exit codes, and a worker that is refused."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from temporalio.common import WorkerDeploymentVersion

from sagamesh import Client
from sagamesh.cli.main import execute
from sagamesh.deployments.claim import claim_build
from sagamesh.deployments.reader import load_deployment
from sagamesh.errors import UnknownName
from tests.cli.shop import CommandLine, Ran
from tests.deployments.parcels import PARCELS, Courier, hosting, serving
from tests.support.engine import eventually
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _whole(client: Client, *builds: str) -> None:
    async def so() -> bool:
        try:
            found = await load_deployment(client.temporal, PARCELS)
        except UnknownName:
            return False
        return set(builds) <= {version.build for version in found.versions if version.whole}

    await eventually(so)


def _shares(ran: Ran) -> dict[str, Any]:
    assert ran.out, ran.err
    [deployment] = ran.json if isinstance(ran.json, list) else [ran.json]
    return {version["build"]: version["share"] for version in deployment["versions"] if version["share"]}


async def test_a_release_by_hand(
    post: Client, sagamesh: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sagamesh.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(sagamesh.folder)
    monkeypatch.syspath_prepend(sagamesh.folder)

    async def run(*arguments: str) -> Ran:
        # In this process, for its speed; the loop that serves goes on beside it.
        code = await asyncio.to_thread(execute, arguments if arguments[0] == "doctor" else ("deploy", *arguments))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    (sagamesh.folder / "canary.json").write_text('{"to": "canary"}')
    (sagamesh.folder / "ada.json").write_text('{"to": "ada"}')
    canary = ("--canary", "Parcel", "--input", "canary.json", "--pause", "0.1s", "--json")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(5 * PATIENCE))
        await stack.enter_async_context(serving(post.temporal, Courier("plain"), versioned=False))
        await stack.enter_async_context(hosting(post.temporal, "v1"))
        await _whole(post, "v1")

        # What is new waits, and `doctor` says so, too.
        stalled = await run("status")
        assert stalled.code == 1
        assert "sagamesh deploy promote v1 --deployment parcels" in stalled.out
        looked = await run("doctor", "--json")
        [finding] = [each for each in looked.json["checks"] if each["check"] == "deployment parcels"]
        assert (looked.code, finding["level"]) == (1, "fail")
        assert finding["message"] == "no version is current: what is new waits on parcels"

        promoted = await run("promote", "v1", "--json")
        assert (promoted.code, _shares(promoted)) == (0, {"v1": 100})

        await stack.enter_async_context(hosting(post.temporal, "v2"))
        await stack.enter_async_context(hosting(post.temporal, "v3"))
        await _whole(post, "v2", "v3")
        ramped = await run("ramp", "v2", "--percent", "10", "--json")
        assert (ramped.code, _shares(ramped)) == (0, {"v2": 10, "v1": 90})

        # Left at 10 %, it goes on from there.
        out = await run("ramp", "v2", "--steps", "10,100", *canary)
        assert (out.code, _shares(out)) == (0, {"v2": 100})
        assert "v2 gets 10 %" in out.err
        assert "v2 is current; v1 drains" in out.err

        unknown = await run("promote", "v1", "--deployment", "post")
        assert (unknown.code, "post" in unknown.err) == (2, True)
        bad = await run("ramp", "v3", "--steps", "50,100", "--canary", "Parcel", "--input", "ada.json", "--json")
        assert bad.code == 1
        assert "v3 was taken back, v2 has everything: canary canary-v3-" in bad.err

        back = await run("rollback", "--reason", "prices are wrong")
        assert (back.code, back.out) == (0, "v2 was taken back; v1 has everything\n"), back.err
        again = await run("rollback")
        assert (again.code, again.out) == (0, "nothing to take back: v1 is current; --to BUILD names another\n")
        shown = await run("status")
        assert shown.code == 0
        assert "taken back: prices are wrong" in shown.out
        refused = await run("retire", "v1")
        assert (refused.code, refused.err) == (1, "error: v1 gets 100 % of what is new\n")


async def test_a_worker_of_a_build_id_that_belongs_to_other_code_is_refused(
    post: Client, sagamesh: CommandLine
) -> None:
    await claim_build(post.temporal, WorkerDeploymentVersion("counters", "1"), "other")
    sagamesh.extra |= {"TEMPORAL_DEPLOYMENT_NAME": "counters", "TEMPORAL_WORKER_BUILD_ID": "1"}
    ran = await asyncio.to_thread(sagamesh, "worker", "parcels")
    assert ran.code == 2
    assert "TEMPORAL_WORKER_BUILD_ID: counters:1: this build id belongs to other code (other; this is " in ran.err
