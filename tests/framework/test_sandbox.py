"""What a task's code is while its files change: what the worker found first, anew for each task."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from temporalio.worker import Worker

from tests.support.engine import Engine

pytestmark = pytest.mark.asyncio(loop_scope="session")

FLOW = """
from temporalio import workflow

from wares import prices

SEEN = []


@workflow.defn
class Quote:
    @workflow.run
    async def run(self) -> list[str]:
        from wares import terms

        SEEN.append("{word}")
        return [*SEEN, prices.PRICE, terms.DAYS]
"""


def write(folder: Path, word: str) -> None:
    package = folder / "wares"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "prices.py").write_text(f'PRICE = "price of the {word}"\n')
    (package / "terms.py").write_text(f'DAYS = "days of the {word}"\n')
    (package / "flow.py").write_text(FLOW.format(word=word))


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wares"]:
        del sys.modules[name]
    importlib.invalidate_caches()


async def test_a_worker_s_tasks_run_the_code_that_it_found_first(
    cached_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    client = cached_engine.temporal

    async def quoted(id: str) -> list[str]:
        result: list[str] = await client.execute_workflow("Quote", id=id, task_queue="wares", result_type=list[str])
        return result

    write(tmp_path, "first")
    try:
        async with Worker(client, task_queue="wares", workflows=[importlib.import_module("wares.flow").Quote]):
            # Each has the module for itself: what one leaves in it, the next does not see.
            for number in range(2):
                assert await quoted(f"wares-{number}") == ["first", "price of the first", "days of the first"]
            write(tmp_path, "second edition")
            assert await quoted("wares-2") == ["first", "price of the first", "days of the first"]
        forget()
        async with Worker(client, task_queue="wares", workflows=[importlib.import_module("wares.flow").Quote]):
            assert await quoted("wares-3") == [
                "second edition",
                "price of the second edition",
                "days of the second edition",
            ]
    finally:
        forget()
