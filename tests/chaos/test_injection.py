"""Rules in force on a real pool: what reaches the implementation, what the task gets, and that the file may change."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from sagamesh.errors import TaskFailed
from tests.support.engine import Engine
from tests.support.wobble import Wobble, Wobbled, Wobbler, wobble

pytestmark = pytest.mark.asyncio(loop_scope="session")


def put(path: Path, *rules: dict[str, Any]) -> None:
    """Have these rules in force."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"seed": 3, "rules": rules}))
    os.replace(draft, path)  # noqa: PTH105 - a pool is reading it


async def test_what_a_pool_injects(cached_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faults.json"
    monkeypatch.setenv("SAGAMESH_FAULTS", str(path))
    async with Wobbler().serving(cached_engine.temporal) as served:

        async def attempts(*rules: dict[str, Any]) -> list[int]:
            put(path, *rules)
            id = cached_engine.new_id()
            handle = await cached_engine.client.start(wobble, Wobble(text="a"), id=id)
            assert await handle.result() == Wobbled(text="a")
            return served.calls[id]

        assert await attempts() == [1]
        assert await attempts({"capability": "other.*", "error": "Down", "final": True}) == [1]
        assert await attempts({"capability": "wobbler.*", "error": "Down", "attempts": 2}) == [3]
        assert await attempts({"capability": "wobbler.shake", "lose_answer": True, "attempts": 2}) == [1, 2, 3]
        began = time.monotonic()
        assert await attempts({"capability": "*", "delay": 0.4}) == [1]
        assert time.monotonic() - began >= 0.4

        put(path, {"capability": "*", "error": "Down", "message": "closed for today", "final": True})
        handle = await cached_engine.client.start(wobble, Wobble(), id=cached_engine.new_id())
        with pytest.raises(TaskFailed) as failed:
            await handle.result()
        assert (failed.value.failure.type, failed.value.failure.message) == ("Down", "closed for today")
        assert handle.id not in served.calls

        path.unlink()
        handle = await cached_engine.client.start(wobble, Wobble(text="b"), id=cached_engine.new_id())
        assert await handle.result() == Wobbled(text="b")
        assert served.calls[handle.id] == [1]
