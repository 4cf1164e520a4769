"""Programs that trace with a provider of their own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clerks import FOLDER
from tests.tracing.conftest import World


@pytest.mark.asyncio(loop_scope="session")
async def test_a_program_keeps_its_tracer_provider(world: World, tmp_path: Path) -> None:
    """Its starts belong to its own spans. What it hosts is not traced: its provider knows nothing of replays."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.tracing.own_provider"),
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            **world.collector.environment,
            FOLDER: str(tmp_path),
            "TEMPORAL_ADDRESS": world.address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        },
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()

    assert json.loads(out) == {"same": True, "spans": ["StartWorkflow:Errand", "checkout"]}
    assert world.collector.of("from-a-shop") == []
