"""The app: what a project consists of, and how a command finds it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mesh_agents.order import order
from mesh_workers import app as reference
from sagamesh import Agent, App, Mesh, Message, SagameshPlugin, Task
from sagamesh.app import load_app, project_root
from sagamesh.errors import DefinitionError, UnknownName


class Ping(Message):
    """In and out."""


def test_the_reference_application() -> None:
    assert reference.task("Order") is order
    assert [kind.__name__ for kind in reference.workflow_classes()] == ["Order"]
    assert isinstance(reference.plugin(), SagameshPlugin)
    assert set(reference.pools) == {"accounts", "inventory", "payment", "notification", "orders"}
    with pytest.raises(UnknownName, match="did you mean Order"):
        reference.task("Ordre")
    with pytest.raises(UnknownName, match="did you mean payment"):
        reference.pool_factory("payments")


@pytest.mark.parametrize("name", ["accounts", "inventory", "payment", "notification", "orders"])
def test_every_pool_can_be_imported(name: str) -> None:
    assert callable(reference.pool_factory(name))


def test_two_tasks_of_one_name() -> None:
    task = Task("T", takes=Ping, returns=Ping, queue="q")

    with pytest.raises(DefinitionError, match="more than one task is called T"):
        App(Mesh(), tasks=(task, task))


def test_an_agent_without_a_pool() -> None:
    with pytest.raises(DefinitionError, match="no pool serves b, c"):
        App(Mesh(Agent("a"), Agent("b"), Agent("c")), pools={"a": "m:f"})


@pytest.mark.parametrize(
    ("reference_text", "problem"),
    [
        ("no_such_module_anywhere:pool", "cannot be imported"),
        ("json:no_such_name", "json has no no_such_name"),
        ("json", "module:name"),
        (":name", "module:name"),
        ("json:", "module:name"),
    ],
)
def test_references_that_lead_nowhere(reference_text: str, problem: str) -> None:
    app = App(Mesh(), pools={"p": reference_text}, workflows=(reference_text,))

    with pytest.raises(DefinitionError, match=problem):
        app.pool_factory("p")
    with pytest.raises(DefinitionError, match=problem):
        app.workflow_classes()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, from which commands run."""
    monkeypatch.delenv("SAGAMESH_APP", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, table: str, module: str = "", code: str = "") -> None:
    (project / "pyproject.toml").write_text(table, encoding="utf-8")
    if module:
        (project / f"{module}.py").write_text(code, encoding="utf-8")


CODE = "from sagamesh import App, Mesh\nmine = App(Mesh())\nother = 5\n"


def test_the_app_of_the_nearest_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, '[tool.sagamesh]\napp = "app_of_nearest:mine"\n', "app_of_nearest", CODE)
    below = project / "some" / "where"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text("[project]\nname = 'inner'\n", encoding="utf-8")

    assert project_root(below) == project
    assert isinstance(load_app(below), App)
    monkeypatch.chdir(below)
    assert project_root() == project


def test_the_environment_goes_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, '[tool.sagamesh]\napp = "nowhere:mine"\n', "app_of_environment", CODE)
    monkeypatch.setenv("SAGAMESH_APP", "app_of_environment:mine")

    assert isinstance(load_app(), App)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "no app found"),
        ("[tool.sagamesh]\n", "no app found"),
        ("[tool.sagamesh]\napp = 5\n", "no app found"),
        ("[tool.sagamesh", "no app found"),
        ('[tool.sagamesh]\napp = "app_that_fails"\n', "module:name"),
        ('[tool.sagamesh]\napp = "app_that_fails:mine"\n', "no_such_package"),
        ('[tool.sagamesh]\napp = "app_that_is_none:other"\n', "not a sagamesh App"),
        ('[tool.sagamesh]\napp = "app_that_is_none:missing"\n', "has no missing"),
    ],
)
def test_what_is_no_app_says_what_to_do(project: Path, table: str, problem: str) -> None:
    (project / "app_that_is_none.py").write_text(CODE, encoding="utf-8")
    write(project, table, "app_that_fails", "import no_such_package\n")

    with pytest.raises(DefinitionError, match=problem):
        load_app()


def test_a_folder_without_a_project_is_its_own_root(project: Path) -> None:
    assert project_root() == project
