"""From an app to the parts of its stack: which processes, with which ports and environment, in which order."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sagamesh.app import App, Helper
from sagamesh.attributes import SEARCH_ATTRIBUTES
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.faults import VARIABLE
from sagamesh.inline import inline_queue
from sagamesh.polled_queue import Queue
from sagamesh.settings import PREFIX, WorkerSettings
from sagamesh.stack.part import Part
from sagamesh.stack.place import Place
from sagamesh.stack.ports import LOOPBACK, PortRequest
from sagamesh.stack.readiness import NAMESPACE, Engine, HelperReady, PoolReady, ServerReady
from sagamesh.stack.server import ServerPorts, server_command

__all__ = ["INLINE", "SERVER", "PortOptions", "plan", "pool_layers", "port_requests", "queues_of"]

SERVER = "temporal"
INLINE = "inline"
"""The one pool of a stack that hosts tasks inline."""

_WEB_ABOVE_GRPC = 1000
_BEYOND_GRACE = 5.0
"""Seconds. A worker ends by itself three seconds after its grace, whatever happens."""


@dataclass(frozen=True, slots=True)
class PortOptions:
    """The ports as a person asked for them; None where nobody did, 0 for any free one.

    With `grpc` 0 everything that is not asked for takes a free one, too.
    """

    grpc: int = 7233
    web: int | None = None
    http: int = 0
    metrics: int = 0
    helpers: Mapping[str, int] = field(default_factory=dict)


def port_requests(app: App, options: PortOptions) -> list[PortRequest]:
    """What the server and the helpers ask for.

    Raises:
        UnknownName: for the port of a helper that the app does not have.
    """
    for name in options.helpers:
        if name not in {helper.name for helper in app.helpers}:
            raise UnknownName("helper", name, [helper.name for helper in app.helpers])
    web = options.web
    if web is None:
        web = options.grpc + _WEB_ABOVE_GRPC if options.grpc else 0
    return [
        PortRequest(SERVER, options.grpc, "--port"),
        PortRequest("web", web, "--ui-port"),
        PortRequest("http", options.http, "--http-port"),
        PortRequest("metrics", options.metrics, "--metrics-port"),
        *(
            PortRequest(
                helper.name,
                options.helpers.get(helper.name, helper.port if options.grpc else 0),
                f"--helper-port {helper.name}",
            )
            for helper in app.helpers
        ),
        *(
            PortRequest(_http(helper), helper.http_port if options.grpc else 0, "--port 0")
            for helper in app.helpers
            if helper.http_port is not None
        ),
    ]


def pool_layers(app: App) -> list[list[str]]:
    """The pools in the order in which they start: agents after those they depend on, tasks after all agents."""
    layers = [list(dict.fromkeys(app.pool_of(agent) for agent in layer)) for layer in app.mesh.layers]
    agents = {name for layer in layers for name in layer}
    tasks = [name for name in app.pools if name not in agents]
    return [*layers, tasks] if tasks else layers


def queues_of(app: App, pool: str) -> list[Queue]:
    """What a pool must poll to be of use.

    Raises:
        DefinitionError: when its name is neither an agent's nor that of a task's queue.
    """
    agents = [agent for agent in app.mesh.agents if app.pool_of(agent) == pool]
    queues: list[Queue] = [(queue, "activities") for agent in agents for queue in agent.queues]
    if any(task.queue == pool for task in app.tasks):
        queues.append((pool, "workflows"))
    if not queues:
        raise DefinitionError(f"pool {pool!r} must be named like an agent of the mesh or like the queue of a task")
    return queues


def plan(
    app: App, place: Place, ports: Mapping[str, int], *, inline: bool = False, probed: bool = False
) -> list[list[Part]]:
    """The layers of parts: the server, the helpers, then the pools.

    - `ports`: for each of `port_requests`, by name.
    - `inline`: all pools in one process, which also hosts tasks inline.
    - `probed`: whether pools serve their probes and metrics.

    Raises:
        DefinitionError: for a pool that would serve nothing, or a helper whose ready check cannot be imported.
        StackFailed: when the Temporal server is not installed.
    """
    server = ServerPorts(grpc=ports[SERVER], web=ports["web"], http=ports["http"], metrics=ports["metrics"])
    engine = Engine(server.address)
    # Variables and profiles of another Temporal server must not reach a process of this one, nor the one port that two
    # pools could not both open.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TEMPORAL_") and name != "SAGAMESH_PROBE_PORT"
    }
    inherited |= {"PYTHONUNBUFFERED": "1", **place.environment()}
    shared = {
        VARIABLE: str(place.faults),
        **inherited,
        **_filled(app.embedded, dir=place.data),
        # Who sets one of these means it: another database, for instance.
        **{name: os.environ[name] for name in app.embedded if name in os.environ},
        "TEMPORAL_ADDRESS": server.address,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
    for helper in app.helpers:
        shared |= _filled(helper.provides, **_numbers(helper, ports), dir=place.data / helper.name)
    layers = [
        [_server_part(place, server, engine, inherited)],
        [_helper_part(app, helper, place, _numbers(helper, ports), inherited) for helper in app.helpers],
    ]
    pools = pool_layers(app)
    if inline:
        names = [name for layer in pools for name in layer]
        queues = [queue for name in names for queue in queues_of(app, name)]
        hosted: list[Queue] = [(inline_queue(queue), "workflows") for queue, side in queues if side == "workflows"]
        layers.append([_pool_part(INLINE, ["--inline", *names], place, shared, PoolReady(engine, [*queues, *hosted]))])
    else:
        layers += [
            [_pool_part(name, [name], place, shared, PoolReady(engine, queues_of(app, name))) for name in layer]
            for layer in pools
        ]
    if probed:
        layers = [[replace(part, probed=part.kind == "pool") for part in layer] for layer in layers]
    return [layer for layer in layers if layer]


def _pool_part(
    name: str, arguments: Sequence[str], place: Place, environment: Mapping[str, str], ready: PoolReady
) -> Part:
    grace = _seconds(environment, "grace")
    return Part(
        name=name,
        kind="pool",
        command=(sys.executable, "-m", "sagamesh", "worker", *arguments),
        environment=environment,
        folder=place.root,
        log=place.log(name),
        ready=ready,
        queues=ready.queues,
        # Without waiting for its polls, which would take seconds: nobody will do the work until the next start.
        stop_signal=signal.SIGINT,
        drain=grace + _seconds(environment, "drain") + _BEYOND_GRACE,
        grace=grace,
    )


def _seconds(environment: Mapping[str, str], setting: str) -> float:
    default: float = WorkerSettings.model_fields[setting].default
    try:
        seconds = float(environment[f"{PREFIX}{setting.upper()}"])
    except (KeyError, ValueError):  # a worker refuses what is no number, and says so better
        return default
    return seconds if math.isfinite(seconds) else default


def _server_part(place: Place, ports: ServerPorts, engine: Engine, environment: Mapping[str, str]) -> Part:
    return Part(
        name=SERVER,
        kind="server",
        command=tuple(server_command(ports, place.database)),
        environment=environment,
        folder=place.root,
        log=place.log(SERVER),
        ready=ServerReady(engine, ports.grpc, SEARCH_ATTRIBUTES),
        ports={"grpc": ports.grpc, "web": ports.web, "http": ports.http, "metrics": ports.metrics},
        link=f"http://{LOOPBACK}:{ports.web}",
    )


def _helper_part(app: App, helper: Helper, place: Place, ports: dict[str, int], environment: Mapping[str, str]) -> Part:
    options = {"--host": LOOPBACK, "--port": ports["port"], "--dir": place.data / helper.name}
    if "http_port" in ports:
        options["--http-port"] = ports["http_port"]
    [link] = _filled({"link": helper.link}, **ports).values()
    return Part(
        name=helper.name,
        kind="helper",
        command=(sys.executable, "-m", helper.module, *(str(word) for pair in options.items() for word in pair)),
        environment=environment,
        folder=place.root,
        log=place.log(helper.name),
        ready=HelperReady(ports.get("http_port", ports["port"]), helper.ready_path, app.ready_check(helper)),
        ports=ports,
        link=link,
        stop_signal=helper.stop_signal,
    )


def _http(helper: Helper) -> str:
    return f"{helper.name} http"


def _numbers(helper: Helper, ports: Mapping[str, int]) -> dict[str, int]:
    numbers = {"port": ports[helper.name]}
    if helper.http_port is not None:
        numbers["http_port"] = ports[_http(helper)]
    return numbers


def _filled(variables: Mapping[str, str], **values: object) -> dict[str, str]:
    filled = {}
    for name, text in variables.items():
        for word, value in values.items():
            text = text.replace(f"{{{word}}}", str(value))
        filled[name] = text
    return filled
