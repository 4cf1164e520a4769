"""Every dependency is accounted for."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _names() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = [*project["project"]["dependencies"]]
    for group in (*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()):
        listed += group
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in listed)
    return {name[0] for name in found if name} - {project["project"]["name"]}


def test_every_dependency_says_what_it_is_for() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\|(?: `\w+` \|)? `([\w-]+)` \| \S", page, re.MULTILINE))
    assert _names() - explained == set()
