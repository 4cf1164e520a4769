"""Taking a version back: the ramping one first, else the current one."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.client import Client

from sagamesh.deployments.deployment import Deployment
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.routing import note_rolled_back, set_current, unset_ramp
from sagamesh.errors import Refused

__all__ = ["Plan", "plan", "roll_back"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollback changes.

    - `bad`: the version that loses its share; empty when there is nothing to take back.
    - `good`: the one that has everything then; empty for unversioned workers.
    - `ramp`: only a ramp ends, the current version stays.
    """

    bad: str
    good: str
    ramp: bool


def plan(deployment: Deployment, to: str | None = None) -> Plan:
    """What a rollback of this deployment does.

    A second rollback in a row finds nothing to do: it would take back the version to which the first one returned, or
    bring back what that took away. `to` does so all the same.

    Raises:
        UnknownName: when there is no version `to`.
        Refused: `NothingBefore` when no version was current before; `StillRamping` for another `to` during a ramp.
    """
    if to is not None:
        deployment.version(to)
    if deployment.ramping is not None:
        if to not in (None, deployment.current):
            raise Refused("StillRamping", f"{deployment.ramping} is ramping: roll that back first, without --to")
        return Plan(deployment.ramping, deployment.current or "", ramp=True)
    current = deployment.current or ""
    if to is not None:
        return Plan("" if to == current else current, to, ramp=False)
    before = deployment.previous
    if deployment.ramp_ended or (before is not None and before.rolled_back):
        return Plan("", current, ramp=False)
    if before is None:
        raise Refused("NothingBefore", f"no version of {deployment.name} was current before {current or 'any'}")
    return Plan(current, before.build, ramp=False)


async def roll_back(client: Client, name: str, reason: str, *, to: str | None = None) -> Plan:
    """Take back the version that ramps, or else the current one, and keep the reason with it.

    Raises:
        as `plan`; UnknownName: when there is no such deployment.
        Refused: `NoWorkers` when nobody serves the version before; `Changed` when somebody else changes it meanwhile.
        ServerUnreachable: when the server does not answer.
    """
    deployment = await load_deployment(client, name)
    found = plan(deployment, to)
    if not found.bad:
        return found
    if found.ramp:
        await unset_ramp(client, deployment)
    else:
        await set_current(client, deployment, found.good)
    await note_rolled_back(client, deployment, found.bad, reason)
    return found
