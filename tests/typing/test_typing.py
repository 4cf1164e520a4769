"""mypy and pyright agree with us about what is right and what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ACCEPTED = sorted(HERE.glob("accepted/*.py"))
REJECTED = sorted(HERE.glob("rejected/*.py"))
MARK = "  # rejected"

Errors = dict[tuple[str, int], list[str]]
"""What a checker says, by file and line."""


def mypy(files: list[Path], _: Path) -> Errors:
    """mypy --strict, as the project configures it."""
    lines = _output("mypy", "--output", "json", "--no-error-summary", *map(str, files)).splitlines()
    entries = [json.loads(line) for line in lines]
    return _by_line([(entry["file"], entry["line"], entry) for entry in entries])


def pyright(files: list[Path], folder: Path) -> Errors:
    """basedpyright, as the project configures it, but for the folder that it leaves out because it is wrong."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    config = folder / "pyrightconfig.json"
    config.write_text(json.dumps(settings | {"include": [str(file) for file in files], "exclude": []}))
    printed = _output("basedpyright", "--outputjson", "--project", str(config), "--pythonpath", sys.executable)
    entries = json.loads(printed)["generalDiagnostics"]
    return _by_line([(entry["file"], entry["range"]["start"]["line"] + 1, entry) for entry in entries])


def _output(tool: str, *words: str) -> str:
    command = [sys.executable, "-m", tool, *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.stdout


def _by_line(entries: list[tuple[str, int, dict[str, str]]]) -> Errors:
    found: Errors = {}
    for file, line, entry in entries:
        if entry["severity"] == "error":
            found.setdefault((f"{Path(file).parent.name}/{Path(file).name}", line), []).append(entry["message"])
    return found


def marked(files: list[Path]) -> set[tuple[str, int]]:
    """The lines that say that they are wrong."""
    return {
        (f"{file.parent.name}/{file.name}", number)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if line.endswith(MARK)
    }


def test_there_is_something_to_reject() -> None:
    assert len(marked(REJECTED)) >= 70
    assert not marked(ACCEPTED)


@pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])
def test_what_is_right_is_accepted_and_what_is_wrong_is_not(
    check: Callable[[list[Path], Path], Errors], tmp_path: Path
) -> None:
    wrong = marked(REJECTED)

    said = check(ACCEPTED + REJECTED, tmp_path)

    assert sorted(wrong - said.keys()) == [], "these lines are wrong, and nobody says so"
    assert {line: messages for line, messages in said.items() if line not in wrong} == {}, "these lines are right"
