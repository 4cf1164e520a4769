"""The mesh: the set of agents with their dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sagamesh.agent import Agent
from sagamesh.capability import Capability
from sagamesh.errors import MeshError, UnknownName

__all__ = ["Mesh"]


class Mesh:
    """A checked set of agents.

    Raises:
        MeshError: for two agents of one name in one zone, a dependency that is not in the mesh, or a cycle, which is
            spelled out.
    """

    def __init__(self, *agents: Agent) -> None:
        self._by_name: dict[str, Agent] = {}
        queues: set[str] = set()
        for agent in agents:
            if agent.queue in queues:
                raise MeshError(f"two agents are called {agent.queue!r}")
            queues.add(agent.queue)
            self._by_name.setdefault(agent.name, agent)
        for agent in agents:
            for needed in agent.depends_on:
                if needed not in self._by_name:
                    unknown = UnknownName("agent", needed, self._by_name)
                    raise MeshError(f"{agent.name} depends on {needed!r}, but {unknown}")
        self._agents = agents
        self._layers = _layered(agents)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """All agents, in the order given."""
        return self._agents

    @property
    def layers(self) -> tuple[tuple[Agent, ...], ...]:
        """The agents in the order in which they can start: each layer depends only on the layers before it."""
        return tuple(tuple(a for a in self._agents if a.name in layer) for layer in self._layers)

    def agent(self, name: str) -> Agent:
        """The agent of this name.

        Raises:
            UnknownName: with the nearest names.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownName("agent", name, self._by_name) from None

    def capability(self, name: str) -> Capability[Any, Any]:
        """The capability of this full name, `<agent>.<capability>`.

        Raises:
            UnknownName: with the nearest names, of agents or of the agent's capabilities.
        """
        agent_name, _, short = name.partition(".")
        if not short:
            raise UnknownName("capability", name, [c.type for a in self._agents for c in a.capabilities.values()])
        return self.agent(agent_name).find(short)


def _layered(agents: Iterable[Agent]) -> list[frozenset[str]]:
    graph: dict[str, set[str]] = {}
    for agent in agents:
        graph.setdefault(agent.name, set()).update(agent.depends_on)
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        # The sorter names a cycle against the direction of dependence; people read "a needs b needs a".
        path = " -> ".join(reversed(error.args[1]))
        raise MeshError(f"circular dependency: {path}") from None
    layers = []
    while sorter.is_active():
        ready = sorter.get_ready()
        layers.append(frozenset(ready))
        sorter.done(*ready)
    return layers
