"""From an app to the processes of its stack."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import PollerInfo

from sagamesh import Agent, App, Helper, Mesh, Message, Task
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.stack.part import Part
from sagamesh.stack.place import Place
from sagamesh.stack.plan import PortOptions, plan, pool_layers, port_requests, queues_of
from sagamesh.stack.readiness import polled_by


class Nothing(Message):
    """Nothing."""


NAMES = ("stock", "orders", "shop", "mail")
app = App(
    mesh=Mesh(Agent("shop", depends_on=["stock", "mail"]), Agent("stock"), Agent("mail", zone="eu")),
    tasks=(Task("Order", takes=Nothing, returns=Nothing, queue="orders"),),
    pools={name: f"nowhere:{name}" for name in NAMES},
    helpers=(
        Helper("gateway", "shop.gateway", 7301, ready_path="/health", provides={"GATEWAY": "http://h:{port}{dir}"}),
        Helper("mailbox", "shop.mailbox", 7302, link="http://127.0.0.1:{port}/", stop_signal=signal.SIGINT),
    ),
    embedded={"STOCK_URL": "sqlite:///{dir}/stock.db", "STOCK_{KEY}": "{}"},
)
PORTS = {"temporal": 11, "web": 12, "http": 13, "metrics": 14, "gateway": 15, "mailbox": 16}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("SAGAMESH_DIR", raising=False)
    return Place.of(tmp_path)


def planned(place: Place) -> dict[str, Part]:
    return {part.name: part for layer in plan(app, place, PORTS) for part in layer}


def test_the_order_is_server_helpers_agents_by_dependence_tasks(place: Place) -> None:
    names = [[part.name for part in layer] for layer in plan(app, place, PORTS)]
    assert names == [["temporal"], ["gateway", "mailbox"], ["stock", "mail"], ["shop"], ["orders"]]
    assert pool_layers(App(mesh=Mesh())) == []


def test_a_pool_is_ready_when_it_polls_its_own_queues() -> None:
    assert queues_of(app, "stock") == [("stock", "activities")]
    assert queues_of(app, "mail") == [("mail.eu", "activities")]
    assert queues_of(app, "orders") == [("orders", "workflows")]
    with pytest.raises(DefinitionError, match="'spare' must be named like an agent of the mesh or like the queue"):
        queues_of(app, "spare")


@pytest.mark.parametrize(
    ("identities", "polled"),
    [([], False), (["17@host"], True), (["170@host", "1@17"], False), (["5@host", "17@other"], True)],
)
def test_only_its_own_pollers_make_a_pool_ready(identities: list[str], polled: bool) -> None:
    assert polled_by(17, [PollerInfo(identity=identity) for identity in identities]) is polled


def test_commands(place: Place) -> None:
    parts = planned(place)
    assert parts["stock"].command == (sys.executable, "-m", "sagamesh", "worker", "stock")
    where = ("--host", "127.0.0.1", "--port", "15", "--dir", str(place.folder / "data" / "gateway"))
    assert parts["gateway"].command == (sys.executable, "-m", "shop.gateway", *where)
    assert parts["mailbox"].link == "http://127.0.0.1:16/"
    assert parts["temporal"].ports == {"grpc": 11, "web": 12, "http": 13, "metrics": 14}
    assert {part.folder for part in parts.values()} == {place.root}
    assert (parts["gateway"].stop_signal, parts["mailbox"].stop_signal) == (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize(
    ("mine", "embedded", "grace"),
    [
        (None, {}, 8.0),
        ("60", {}, 60.0),
        (None, {"SAGAMESH_GRACE": "90"}, 90.0),
        ("60", {"SAGAMESH_GRACE": "90"}, 60.0),
        ("long", {}, 8.0),
        ("inf", {}, 8.0),
    ],
)
def test_the_grace_of_a_pool(
    place: Place, monkeypatch: pytest.MonkeyPatch, mine: str | None, embedded: dict[str, str], grace: float
) -> None:
    monkeypatch.delenv("SAGAMESH_GRACE", raising=False)
    monkeypatch.delenv("SAGAMESH_DRAIN", raising=False)
    if mine is not None:
        monkeypatch.setenv("SAGAMESH_GRACE", mine)
    parts = {part.name: part for layer in plan(replace(app, embedded=embedded), place, PORTS) for part in layer}
    assert (parts["stock"].grace, parts["stock"].drain) == (grace, grace + 15 + 5)
    assert parts["temporal"].grace == parts["gateway"].grace == 0


def test_a_ready_check_that_is_not_there_is_named(place: Place) -> None:
    wrong = App(mesh=Mesh(), helpers=(Helper("gateway", "shop.gateway", 7301, ready_check="no_such_module:answers"),))
    with pytest.raises(DefinitionError, match="the ready check of helper gateway, no_such_module:answers, cannot"):
        plan(wrong, place, PORTS)


def test_pools_are_told_the_server_the_helpers_and_the_data(place: Place) -> None:
    environment = planned(place)["stock"].environment
    assert environment["TEMPORAL_ADDRESS"] == "127.0.0.1:11"
    assert environment["TEMPORAL_NAMESPACE"] == "default"
    assert environment["TEMPORAL_CONFIG_FILE"] == os.devnull
    assert environment["SAGAMESH_DIR"] == str(place.folder)
    assert environment["STOCK_URL"] == f"sqlite:///{place.folder}/data/stock.db"
    assert environment["STOCK_{KEY}"] == "{}"
    assert environment["GATEWAY"] == f"http://h:15{place.folder}/data/gateway"


def test_what_would_mislead_a_pool_in_the_users_environment_reaches_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_PROFILE", "SAGAMESH_PROBE_PORT"):
        monkeypatch.setenv(name, "elsewhere")
    for part in planned(place).values():
        assert "elsewhere" not in part.environment.values()


def test_where_data_lies_is_the_users_choice_but_never_who_the_helpers_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCK_URL", "postgresql://mine")
    monkeypatch.setenv("GATEWAY", "https://api.example.org")
    environment = planned(place)["stock"].environment
    assert environment["STOCK_URL"] == "postgresql://mine"
    assert environment["GATEWAY"].startswith("http://h:15")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PortOptions(), [7233, 8233, 0, 0, 7301, 7302]),
        (PortOptions(grpc=9000), [9000, 10_000, 0, 0, 7301, 7302]),
        (PortOptions(grpc=0), [0, 0, 0, 0, 0, 0]),
        (PortOptions(grpc=0, web=8300, helpers={"mailbox": 25}), [0, 8300, 0, 0, 0, 25]),
        (PortOptions(web=0, http=1, metrics=2, helpers={"gateway": 0}), [7233, 0, 1, 2, 0, 7302]),
    ],
)
def test_ports_as_asked_for(options: PortOptions, expected: list[int]) -> None:
    assert [request.number for request in port_requests(app, options)] == expected


def test_the_port_of_an_unknown_helper_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean mailbox"):
        port_requests(app, PortOptions(helpers={"mailbx": 25}))


def test_the_folder_is_the_projects_or_what_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAGAMESH_DIR", raising=False)
    assert Place.of(tmp_path).folder == tmp_path / ".sagamesh"
    monkeypatch.setenv("SAGAMESH_DIR", "else/where")
    assert Place.of(tmp_path).folder == tmp_path / "else" / "where"
    monkeypatch.setenv("SAGAMESH_DIR", str(tmp_path / "absolute"))
    place = Place.of(tmp_path)
    assert place.folder == tmp_path / "absolute"
    place.create()
    assert (place.folder / ".gitignore").read_text() == "*\n"
    assert place.data.is_dir()


def test_an_agent_in_two_zones_has_two_pools() -> None:
    stock = Agent("stock")
    zoned = App(
        mesh=Mesh(stock, stock.in_zone("eu"), stock.in_zone("us")),
        pools={name: f"nowhere:{name}" for name in ("stock", "stock.eu", "stock.us")},
    )
    assert pool_layers(zoned) == [["stock", "stock.eu", "stock.us"]]
    assert [queues_of(zoned, name) for name in zoned.pools] == [
        [("stock", "activities")],
        [("stock.eu", "activities")],
        [("stock.us", "activities")],
    ]


def test_a_zone_without_a_pool_is_named() -> None:
    stock = Agent("stock")
    with pytest.raises(DefinitionError, match=r"no pool serves stock\.eu"):
        App(mesh=Mesh(Agent("shop"), stock.in_zone("eu")), pools={"shop": "nowhere:shop"})
