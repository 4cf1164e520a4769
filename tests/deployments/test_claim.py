"""A build id is one code: the server remembers whose."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.common import WorkerDeploymentVersion

from sagamesh import Client
from sagamesh.deployments.claim import claim_build
from sagamesh.errors import InvalidInput

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_build_id_belongs_to_the_code_that_was_first_to_use_it(post: Client) -> None:
    build = WorkerDeploymentVersion("claims", "1")
    await claim_build(post.temporal, build, "aa")
    await claim_build(post.temporal, build, "aa")
    with pytest.raises(InvalidInput, match=r"TEMPORAL_WORKER_BUILD_ID: claims:1: this build id belongs to other code"):
        await claim_build(post.temporal, build, "bb")
    await claim_build(post.temporal, build, "aa")
    await claim_build(post.temporal, WorkerDeploymentVersion("claims", "2"), "bb")


async def test_of_those_that_begin_at_once_one_code_is_left(post: Client) -> None:
    build = WorkerDeploymentVersion("claims", "race")
    codes = [f"{number:02}" for number in range(4)] * 2
    ends = await asyncio.gather(*(claim_build(post.temporal, build, code) for code in codes), return_exceptions=True)
    served = {code for code, end in zip(codes, ends, strict=True) if end is None}
    assert len(served) <= 1
    assert {type(end) for end in ends if end is not None} == {InvalidInput}, ends
