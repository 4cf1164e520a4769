"""The project's chart, rendered by a real Helm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.charts import ROOT, Chart

UNAVAILABLE = 69


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart; skips where no Helm can be had."""
    found = subprocess.run(
        [str(ROOT / "scripts" / "helm"), "--where"], capture_output=True, text=True, timeout=300, check=False
    )
    if found.returncode == UNAVAILABLE:
        pytest.skip(found.stderr.strip())
    assert found.returncode == 0, found.stderr
    return Chart(Path(found.stdout.strip()))
