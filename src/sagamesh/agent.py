"""An agent: a named party with capabilities, on a task queue of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sagamesh.breaker.contract import check_shared
from sagamesh.capability import Capability, In, Out
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.fallback import Default, Kept, chain
from sagamesh.limits.provider import Provider, provider_queue
from sagamesh.limits.rate import rate_problem
from sagamesh.policy import DEFAULT_TIMEOUT, Breaker, Policy, Retry
from sagamesh.system_queue import SYSTEM_QUEUE

__all__ = ["Agent", "Role"]

# Names become activity types, queue names, Kubernetes object names and metric labels: the narrowest of these rules.
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_CAPABILITY_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 40

_DEGRADES_AFTER = timedelta(seconds=1)
"""An open breaker holds the queue; who has something to fall back on does not wait for it."""


class Role(StrEnum):
    """What part an agent plays."""

    COORDINATOR = "coordinator"
    WORKER = "worker"
    SPECIALIST = "specialist"


class Agent:
    """A named party with capabilities. It declares; a `Pool` serves it.

    - `name`: lower-case letters, digits and hyphens, at most 40.
    - `depends_on`: the agents (by name) that must be up before this one makes sense.
    - `zone`: with a zone, the agent's queue is `<name>.<zone>`.
    - `version`: what routing goes by. Calls carry the one that their caller knows, and workers of an incompatible one
      refuse them, where both are versions (PEP 440, which has those of semantic versioning, `1.4.0`).
    - `role`, `tags`: what routing and the topology picture go by.
    - `rate`: calls a second for the whole agent, kept by the server however many workers there are; None for no limit.
      Calls through a provider count there instead.
    - `tenant_rate`: the same for each tenant's calls, times its weight.
    - `cost`: what one call costs, in whatever unit the mesh agrees on; peers bid with it.

    Raises:
        DefinitionError: for a name that breaks the rule, a capability declared twice, or a rate that is none.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "1.0.0",
        role: Role = Role.WORKER,
        tags: Iterable[str] = (),
        zone: str | None = None,
        depends_on: Iterable[str] = (),
        rate: float | None = None,
        tenant_rate: float | None = None,
        cost: float = 0.0,
        summary: str = "",
    ) -> None:
        for word, value in (("name", name), ("zone", zone)):
            if value is not None and (not _NAME.fullmatch(value) or len(value) > _LONGEST_NAME):
                raise DefinitionError(
                    f"agent {name!r}: {word} {value!r} must be lower-case letters, digits and single hyphens, "
                    f"begin with a letter, and have at most {_LONGEST_NAME} characters"
                )
        if name == SYSTEM_QUEUE:
            raise DefinitionError(f"agent {name!r}: the name and its queue are the framework's own")
        for word, limit in (("rate", rate), ("tenant_rate", tenant_rate)):
            if problem := rate_problem(limit):
                raise DefinitionError(f"agent {name!r}: {word} {problem}")
        if not 0 <= cost < math.inf:
            raise DefinitionError(f"agent {name!r}: cost must be 0 or more, not {cost:g}")
        self.name = name
        self.version = version
        self.role = role
        self.tags = frozenset(tags)
        self.zone = zone
        self.depends_on = tuple(depends_on)
        self.rate = rate
        self.tenant_rate = tenant_rate
        self.cost = cost
        self.summary = summary
        self._capabilities: dict[str, Capability[Any, Any]] = {}
        self._providers: dict[str, Provider] = {}
        self._home: Agent | None = None

    def __repr__(self) -> str:
        return f"Agent({self.name!r})"

    @property
    def queue(self) -> str:
        """The task queue on which this agent takes its calls."""
        return self.name if self.zone is None else f"{self.name}.{self.zone}"

    @property
    def contract_version(self) -> str:
        """The version of the capabilities as they are declared: in a zone that of the agent itself."""
        return self.version if self._home is None else self._home.contract_version

    @property
    def capabilities(self) -> Mapping[str, Capability[Any, Any]]:
        """The declared capabilities by their short name, in the order of declaration."""
        if self._home is not None:
            for name, declared in self._home.capabilities.items():
                if name not in self._capabilities:
                    self._capabilities[name] = declared.in_zone(self.zone)
        return MappingProxyType(self._capabilities)

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The declared providers by name, in the order of declaration."""
        if self._home is not None:
            for name, declared in self._home.providers.items():
                if name not in self._providers:
                    self._providers[name] = replace(declared, queue=provider_queue(self.queue, name))
        return MappingProxyType(self._providers)

    @property
    def queues(self) -> tuple[str, ...]:
        """All task queues on which this agent takes calls: its own, then its providers'."""
        return (self.queue, *(provider.queue for provider in self.providers.values()))

    def in_zone(
        self, zone: str, *, tags: Iterable[str] = (), version: str | None = None, cost: float | None = None
    ) -> Agent:
        """The same agent in a zone: the same capabilities, types and policies, on queues of the zone's own.

        What is declared later on this agent belongs to the zone's, too. Calls in a zone are never run inline.

        - `tags`: what sets the zone apart, beside the agent's own tags.
        - `version`, `cost`: where they differ there, for routing; the contract is the agent's own.

        Raises:
            DefinitionError: for a zone's name that breaks the rule, or an agent that is in a zone already.
        """
        if self.zone is not None:
            raise DefinitionError(f"agent {self.queue!r} is in a zone already")
        made = Agent(
            self.name,
            version=self.version if version is None else version,
            role=self.role,
            tags=self.tags | frozenset(tags),
            zone=zone,
            depends_on=self.depends_on,
            rate=self.rate,
            tenant_rate=self.tenant_rate,
            cost=self.cost if cost is None else cost,
            summary=self.summary,
        )
        made._home = self
        return made

    def offers(self, capability: Capability[Any, Any]) -> Capability[Any, Any] | None:
        """This agent's own form of a capability: itself, or for an agent in a zone also the one that it was declared
        as, on the zone's queue. None when it is another agent's.
        """
        declared = self.capabilities.get(capability.name)
        if capability is declared:
            return declared
        if self._home is not None and self._home.offers(capability) is not None:
            return declared
        return None

    def provider(
        self, name: str, *, rate: float | None = None, tenant_rate: float | None = None, slots: int | None = None
    ) -> Provider:
        """Declare something outside that some capabilities of this agent call. The options are those of `Provider`.

        Raises:
            DefinitionError: for a name that breaks the rule for agents' names or is taken, or limits that are none.
        """
        if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            raise DefinitionError(
                f"agent {self.name!r}: provider {name!r} must be lower-case letters, digits and single hyphens, "
                f"begin with a letter, and have at most {_LONGEST_NAME} characters"
            )
        self._check_declares()
        if name in self._providers:
            raise DefinitionError(f"agent {self.name!r}: provider {name!r} is declared twice")
        queue = provider_queue(self.queue, name)
        declared = Provider(self.name, name, queue, rate=rate, tenant_rate=tenant_rate, slots=slots)
        self._providers[name] = declared
        return declared

    def capability(
        self,
        name: str,
        *,
        takes: type[In],
        returns: type[Out],
        timeout: timedelta = DEFAULT_TIMEOUT,
        queue_timeout: timedelta | None = None,
        total: timedelta | None = None,
        heartbeat: timedelta | None = None,
        retry: Retry | None = None,
        priority: int | None = None,
        weight: float | None = None,
        provider: Provider | None = None,
        breaker: Breaker | None = None,
        keep: timedelta | None = None,
        inline: bool = False,
        scopes: Iterable[str] = (),
        fallback: Capability[In, Out] | Kept | Default[Out] | Sequence[Capability[In, Out] | Kept | Default[Out]] = (),
        summary: str = "",
    ) -> Capability[In, Out]:
        """Declare one operation and return it, typed. The options are those of `Policy`.

        - `fallback`: what a caller gets, in this order, when there is no answer; the result says that it is degraded.
          With a breaker and no `queue_timeout` of its own, a call waits at most a second for a worker then.
        - `provider`: what it calls outside, declared by `provider`; its calls wait on that queue.

        Raises:
            DefinitionError: for a name that breaks the rule or is taken, or options that contradict each other.
        """
        if not _CAPABILITY_NAME.fullmatch(name):
            raise DefinitionError(
                f"{self.name}: capability name {name!r} must be lower-case letters, digits and underscores"
            )
        self._check_declares()
        if name in self._capabilities:
            raise DefinitionError(f"{self.name}.{name} is declared twice")
        if inline and (self.rate is not None or self.tenant_rate is not None):
            raise DefinitionError(
                f"{self.name}.{name} is inline, so no queue would keep the rate that is declared for {self.name}"
            )
        if provider is not None and self._providers.get(provider.name) is not provider:
            raise DefinitionError(f"{self.name}.{name}: provider {provider.name!r} is none of {self.name}")
        if inline and provider is not None:
            raise DefinitionError(
                f"{self.name}.{name} is inline, so no queue would keep the limits of provider {provider.name!r}"
            )
        fallbacks = chain(f"{self.name}.{name}", takes, returns, fallback)
        if fallbacks and breaker is not None and queue_timeout is None:
            queue_timeout = _DEGRADES_AFTER
        try:
            policy = Policy(
                timeout=timeout,
                queue_timeout=queue_timeout,
                total=total,
                heartbeat=heartbeat,
                retry=retry or Retry(),
                priority=priority,
                weight=weight,
                breaker=breaker,
                keep=keep,
                inline=inline,
                scopes=frozenset(scopes),
            )
        except DefinitionError as error:
            raise DefinitionError(f"{self.name}.{name}: {error}") from None
        check_shared(f"{self.name}.{name}", breaker, self._capabilities.values())
        declared = Capability(
            agent=self.name,
            name=name,
            takes=takes,
            returns=returns,
            queue=self.queue if provider is None else provider.queue,
            policy=policy,
            summary=summary,
            fallback=fallbacks,
            version=self.version,
        )
        self._capabilities[name] = declared
        return declared

    def find(self, name: str) -> Capability[Any, Any]:
        """The capability with this short name.

        Raises:
            UnknownName: with the nearest names.
        """
        try:
            return self.capabilities[name]
        except KeyError:
            raise UnknownName(f"capability of {self.name}", name, self._capabilities) from None

    def _check_declares(self) -> None:
        if self._home is not None:
            raise DefinitionError(f"{self.queue} is {self.name} in a zone: declare it on {self.name} itself")
