"""What `pip install sagamesh` brings: the framework, its types, and nothing of the reference application."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    [made] = folder.glob("*.whl")
    return made


def test_it_holds_the_framework_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"sagamesh"}
    assert "sagamesh/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_imports_with_its_core_dependencies_alone(wheel: Path, tmp_path: Path) -> None:
    # Not an installation, but the same: the wheel's files first, and every extra's package hidden.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    extras = ["typer", "rich", "psutil", "sqlalchemy", "httpx", "aiosmtplib", "starlette", "uvicorn", "uvloop"]
    extras += ["opentelemetry", "pythonjsonlogger"]
    program = f"""
import sys
for name in {extras!r}:
    sys.modules[name] = None
import sagamesh, sagamesh.worker, sagamesh.discovery, sagamesh.testing
assert sagamesh.__file__.startswith({str(tmp_path)!r}), sagamesh.__file__
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
