"""The tutorial is run: its files are taken from the page, checked by mypy, and its own test is executed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    blocks = _BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    assert [name for name, _ in blocks] == ["trip_agents.py", "trip_workflows.py", "trip_workers.py", "test_trip.py"]
    for name, code in blocks:
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def test_the_tutorials_test_passes(project: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "test_trip.py"], cwd=project, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr


def test_the_tutorials_contracts_are_typed(project: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "trip_agents.py", "trip_workflows.py"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "MYPYPATH": ""},
    )
    assert run.returncode == 0, run.stdout


def test_the_tutorials_mesh_is_drawn(project: Path) -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from sagamesh.topology import draw\nimport trip_workers\nprint(draw(trip_workers.app, 'mermaid'))",
        ],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "Trip --> weather" in run.stdout
