"""The mesh: which agents fit together, and in which order they can start."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_agents import accounts, inventory, notification, payment
from sagamesh import Agent, Mesh, Message
from sagamesh.errors import DefinitionError, MeshError, UnknownName


class Ping(Message):
    """In and out."""


def names(mesh: Mesh) -> list[list[str]]:
    return [[agent.name for agent in layer] for layer in mesh.layers]


def test_layers_of_the_reference_agents() -> None:
    mesh = Mesh(payment.payment, inventory.inventory, accounts.accounts, notification.notification)

    assert names(mesh) == [["accounts"], ["payment", "inventory", "notification"]]
    assert [agent.name for agent in mesh.agents] == ["payment", "inventory", "accounts", "notification"]


def test_no_agents_no_layers() -> None:
    assert Mesh().layers == ()


def test_a_missing_dependency_names_who_what_and_the_nearest() -> None:
    with pytest.raises(MeshError, match=r"stock depends on 'acounts'.*did you mean accounts"):
        Mesh(Agent("stock", depends_on=["acounts"]), accounts.accounts)


def test_a_missing_dependency_that_looks_like_nothing_lists_what_there_is() -> None:
    with pytest.raises(MeshError, match="known: stock"):
        Mesh(Agent("stock", depends_on=["xyz"]))


def test_two_of_one_name() -> None:
    with pytest.raises(MeshError, match="two agents are called 'stock'"):
        Mesh(Agent("stock"), Agent("stock"))


def test_two_of_one_name_in_two_zones_are_two() -> None:
    mesh = Mesh(Agent("stock", zone="eu"), Agent("stock", zone="us"), Agent("shop", depends_on=["stock"]))

    assert [[agent.queue for agent in layer] for layer in mesh.layers] == [["stock.eu", "stock.us"], ["shop"]]


@pytest.mark.parametrize(
    ("edges", "path"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a|b -> a -> b"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"),
        ({"a": [], "b": ["a", "c"], "c": ["b"]}, "b -> c -> b|c -> b -> c"),
    ],
    ids=str,
)
def test_a_cycle_is_spelled_in_the_direction_of_need(edges: dict[str, list[str]], path: str) -> None:
    with pytest.raises(MeshError, match=f"circular dependency: ({path})$"):
        Mesh(*(Agent(name, depends_on=needs) for name, needs in edges.items()))


def test_errors_of_a_mesh_are_errors_of_definition() -> None:
    assert issubclass(MeshError, DefinitionError)
    assert issubclass(MeshError, ValueError)


@pytest.mark.parametrize("name", ["inventry.reserve", "inventory.resrve", "reserve", "inventory", "", ".reserve"])
def test_unknown_names(name: str) -> None:
    mesh = Mesh(accounts.accounts, inventory.inventory)

    with pytest.raises(UnknownName):
        mesh.capability(name)


def test_known_names() -> None:
    mesh = Mesh(accounts.accounts, inventory.inventory)

    assert mesh.agent("accounts") is accounts.accounts
    assert mesh.capability("inventory.reserve") is inventory.reserve
    with pytest.raises(UnknownName, match="did you mean inventory"):
        mesh.agent("inventori")


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Who needs whom; anybody may need anybody."""
    nodes = [f"n{number}" for number in range(draw(st.integers(1, 8)))]
    return {node: draw(st.lists(st.sampled_from(nodes), unique=True, max_size=4)) for node in nodes}


@given(graphs())
def test_layers_are_right_or_the_cycle_is_one(edges: dict[str, list[str]]) -> None:
    try:
        mesh = Mesh(*(Agent(name, depends_on=needs) for name, needs in edges.items()))
    except MeshError as error:
        path = str(error).removeprefix("circular dependency: ").split(" -> ")
        assert path[0] == path[-1]
        assert all(needed in edges[node] for node, needed in pairwise(path))
        return
    started: set[str] = set()
    for layer in names(mesh):
        assert layer
        for name in layer:
            assert set(edges[name]) <= started
        started |= set(layer)
    assert started == set(edges)
