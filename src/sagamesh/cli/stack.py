"""Commands about the embedded stack: `up`, `down`, `status`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.stack.autoscale import ScaleOptions
    from sagamesh.stack.overview import Overview
    from sagamesh.stack.part import Timing
    from sagamesh.stack.place import Place
    from sagamesh.stack.plan import PortOptions
    from sagamesh.stack.state import StackState

__all__ = ["port_options", "register"]

_NOT_RUNNING = output.UNREACHABLE
_PORT = 7233

Port = Annotated[
    int, typer.Option(envvar="SAGAMESH_PORT", help="Port of the Temporal server; 0 takes free ones for everything.")
]
UiPort = Annotated[
    int | None, typer.Option(envvar="SAGAMESH_UI_PORT", help="Port of the Web UI; else the server's + 1000.")
]
HttpPort = Annotated[
    int, typer.Option(envvar="SAGAMESH_HTTP_PORT", help="Port of the server's HTTP API; 0 takes a free one.")
]
MetricsPort = Annotated[
    int, typer.Option(envvar="SAGAMESH_METRICS_PORT", help="Port of the server's metrics; 0 takes a free one.")
]
HelperPorts = Annotated[
    list[str] | None,
    typer.Option(envvar="SAGAMESH_HELPER_PORTS", metavar="NAME=PORT", help="Port of a helper; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)


def port_options() -> PortOptions:
    """The ports for which `up` asks where its command line says nothing: as the environment says.

    Raises:
        typer.BadParameter: for a variable that is wrong.
    """
    alone = typer.Typer(add_completion=False)
    alone.command()(_ports)
    options: PortOptions = get_command(alone).main(args=[], standalone_mode=False)
    return options


def _ports(
    port: Port = _PORT,
    ui_port: UiPort = None,
    http_port: HttpPort = 0,
    metrics_port: MetricsPort = 0,
    helper_port: HelperPorts = None,
) -> Any:  # PortOptions, which is not loaded when Typer reads this line
    from sagamesh.stack.plan import PortOptions

    helpers = _numbers(helper_port or [])
    return PortOptions(grpc=port, web=ui_port, http=http_port, metrics=metrics_port, helpers=helpers)


def _place() -> Place:
    """The stack's place of the project around the current folder, which becomes the current one."""
    from sagamesh.app import project_root
    from sagamesh.stack.place import Place

    place = Place.of(project_root())
    os.chdir(place.root)
    return place


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it runs in the background.")] = False,
    port: Port = _PORT,
    ui_port: UiPort = None,
    http_port: HttpPort = 0,
    metrics_port: MetricsPort = 0,
    helper_port: HelperPorts = None,
    patience: Annotated[
        float,
        typer.Option(envvar="SAGAMESH_START_TIMEOUT", min=1, help="Seconds until each part must be ready."),
    ] = 60,
    inline: Annotated[
        bool,
        typer.Option(
            "--inline",
            help="All pools in one process, which runs the short calls of a task on the spot: fewer hops, one machine.",
        ),
    ] = False,
    autoscale: Annotated[
        bool, typer.Option("--autoscale", help="As many processes a pool as what waits and what runs ask for.")
    ] = False,
    least: Annotated[
        int | None, typer.Option("--min", metavar="N", help="With --autoscale: at least so many each; else 1.")
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max", metavar="N", help="With --autoscale: at most so many each; else 4.")
    ] = None,
    window: Annotated[
        float | None,
        typer.Option("--scale-in-after", metavar="S", help="With --autoscale: after so many quiet seconds; else 60."),
    ] = None,
    json: output.JsonOption = False,
) -> None:
    """Start the Temporal server, the helpers and the pools of this project, and keep them running until Ctrl-C.

    Orders and data survive `down` and every kind of crash. A second `up` only says where it runs. With --json, one
    document as from `status` is printed once everything is ready.
    """
    from sagamesh.app import app_reference, load_app
    from sagamesh.stack.control import claim
    from sagamesh.stack.part import Timing
    from sagamesh.stack.state import StackState

    scale = _scale_options(autoscale, least, most, window, inline=inline)
    place = _place()
    reference, app = app_reference(running=False), load_app(running=False)
    options: PortOptions = _ports(port, ui_port, http_port, metrics_port, helper_port)
    place.create()
    claimed = claim(place)
    if isinstance(claimed, StackState):
        _refuse_another(claimed, reference)
        _already(place, claimed, json)
    elif detach:
        claimed.release()
        _in_background(place, options, patience, json, inline=inline, scale=scale)
    else:
        with claimed:
            timing = Timing(start=patience)
            _here(place, app, options, timing, json, inline=inline, scale=scale, reference=reference)


def down(json: output.JsonOption = False) -> None:
    """Stop the embedded stack of this project, and whatever a supervisor that was killed has left of one."""
    from sagamesh.cli.progress import Progress
    from sagamesh.stack.control import stop
    from sagamesh.stack.state import load

    place = _place()
    progress = Progress()
    progress.know(load(place))
    with progress.showing():
        supervised, left = stop(place, progress.update)
    names = [part.name for part in left]
    if json:
        output.print_json({"stopped": supervised, "left_over": names})
    elif supervised:
        output.print_text(f"Stopped. What it knows stays in {place.folder} for the next `sagamesh up`.")
    elif names:
        output.print_text(f"Its supervisor had been killed; stopped what was left: {', '.join(names)}.")
    else:
        output.print_text(f"Nothing runs in {place.folder}.")


def status(json: output.JsonOption = False) -> None:
    """Show every part of the embedded stack of this project. Exit code 3 when it does not run."""
    from sagamesh.stack.overview import overview
    from sagamesh.stack.state import load

    place = _place()
    shown = overview(place, load(place))
    if json:
        output.print_json(shown)
    else:
        _print_status(shown)
    if not shown.running:
        raise typer.Exit(_NOT_RUNNING)


def _here(
    place: Place,
    app: App,
    options: PortOptions,
    timing: Timing,
    json: bool,
    *,
    inline: bool,
    scale: ScaleOptions | None,
    reference: str,
) -> None:
    from sagamesh.cli.progress import Progress
    from sagamesh.stack.embedded import Embedded, Interrupted
    from sagamesh.stack.state import Phase

    progress = Progress()
    own = [name for name in app.embedded if name in os.environ]
    if own:
        progress.say(f"As your environment says, not as the embedded stack would: {', '.join(own)}")
    showing = ExitStack()
    announced = False

    def observe(state: StackState) -> None:
        nonlocal announced
        progress.update(state)
        if state.phase is Phase.READY and not announced:
            announced = True
            showing.close()
            _print_ready(place, state, json, stop="Ctrl-C")

    with showing:
        showing.enter_context(progress.showing())
        try:
            embedded = Embedded(place, observe=observe, timing=timing)
            embedded.run_app(app, options, inline=inline, scale=scale, reference=reference)
        except Interrupted as stopped:
            progress.say(f"Stopped: {stopped}.")
            raise typer.Exit(128 + stopped.number) from None


def _in_background(
    place: Place, options: PortOptions, patience: float, json: bool, *, inline: bool, scale: ScaleOptions | None
) -> None:
    from sagamesh.cli.progress import Progress
    from sagamesh.stack.control import detach, follow
    from sagamesh.stack.errors import StackFailed
    from sagamesh.stack.log import tail
    from sagamesh.stack.state import Phase, load

    arguments = [*_arguments(options, patience), *(["--inline"] if inline else [])]
    if scale is not None:
        bounds = [f"--min={scale.least}", f"--max={scale.most}", f"--scale-in-after={scale.window}"]
        arguments += ["--autoscale", *bounds]
    process = detach(place, arguments)
    progress = Progress()
    try:
        with progress.showing():
            state = follow(place, process.pid, progress.update, lambda: process.poll() is not None)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if state is not None and state.phase is Phase.READY:
        _print_ready(place, state, json, stop="`sagamesh down`")
        return
    code = process.wait()
    other = load(place)
    if code == 0 and other is not None:
        _already(place, other, json)
        return
    log = place.log("supervisor")
    reason = state.error if state is not None else "\n  ".join(["the supervisor ended:", *tail(log, 8)])
    raise typer.Exit(output.fail(StackFailed(f"{reason}\n(the supervisor's log: {log})"), code=code))


def _refuse_another(state: StackState, reference: str) -> None:
    """Refuse to take a stack for the one that was asked for, where somebody said which.

    Raises:
        DefinitionError: when it runs another app.
    """
    from sagamesh.errors import DefinitionError

    named = [name for name in ("SAGAMESH_MESH", "SAGAMESH_APP") if os.environ.get(name)]
    if named and state.app != reference:
        raise DefinitionError(
            f"{reference} was asked for, but process {state.supervisor.pid} runs {state.app or 'another app'} here: "
            "stop that with `sagamesh down`, or name another folder in SAGAMESH_DIR"
        )


def _already(place: Place, state: StackState, json: bool) -> None:
    from sagamesh.cli.progress import Progress
    from sagamesh.stack.control import follow
    from sagamesh.stack.errors import StackFailed
    from sagamesh.stack.state import Phase

    supervisor = state.supervisor
    progress = Progress()
    progress.say(
        f"Sagamesh already {'runs' if state.phase is Phase.READY else 'starts'} here: process {supervisor.pid}."
    )
    with progress.showing():
        ready = follow(place, supervisor.pid, progress.update, lambda: not supervisor.alive)
    if ready is None or ready.phase is not Phase.READY:
        raise StackFailed(ready.error if ready else f"process {supervisor.pid} stopped it before it was ready")
    _print_ready(place, ready, json, stop="`sagamesh down`")


def _print_ready(place: Place, state: StackState, json: bool, *, stop: str) -> None:
    from sagamesh.stack.overview import overview
    from sagamesh.stack.ports import LOOPBACK

    shown = overview(place, state)
    if json:
        output.print_json(shown)
    else:
        lines = [("Temporal", shown.address), ("Web UI", shown.web)]
        lines += [
            (part.name, part.link or ", ".join(f"{LOOPBACK}:{port}" for port in part.ports.values()))
            for part in shown.parts
            if part.kind == "helper"
        ]
        lines.append(("Data", shown.folder))
        width = max(len(name) for name, _ in lines)
        output.print_text("\n".join(["Sagamesh is up.", *(f"  {name:<{width}}  {where}" for name, where in lines)]))
        output.print_text(f"Stop it with {stop}; nothing is lost.")
    output.flush()


def _print_status(shown: Overview) -> None:
    match shown.state:
        case "down":
            output.print_text(f"Nothing runs in {shown.folder}. `sagamesh up` starts it.")
            return
        case "failed":
            output.print_text(f"The last start failed: {shown.error}")
            return
        case "killed":
            left = [part.name for part in shown.parts if part.pid is not None]
            what = (
                f"; left over: {', '.join(left)}. `sagamesh down` stops them," if left else "; nothing is left of it."
            )
            output.print_text(
                f"The supervisor (process {shown.supervisor}) was killed{what} `sagamesh up` starts it again."
            )
        case "starting" | "ready" | "stopping":
            output.print_text(f"{shown.state}: Temporal {shown.address}, Web UI {shown.web}")
    rows = [
        (
            part.name,
            part.kind,
            part.state,
            str(part.pid or ""),
            _duration(part.uptime),
            str(part.restarts),
            " ".join(str(port) for name, port in part.ports.items() if name in ("grpc", "web", "port")),
            part.note or part.last_line,
        )
        for part in shown.parts
    ]
    output.print_table(("part", "kind", "state", "pid", "up for", "restarts", "port", "last said"), rows)
    if shown.pools:
        scaled = [
            (
                pool.name,
                f"{pool.ready}/{pool.wanted}",
                f"{pool.least} to {pool.most}",
                str(pool.leaving or ""),
                f"{_duration(pool.ago)} ago" if pool.ago is not None else "",
                pool.reason,
            )
            for pool in shown.pools
        ]
        output.print_text("")
        output.print_table(("pool", "ready", "bounds", "leaving", "changed", "why"), scaled)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def _scale_options(
    autoscale: bool, least: int | None, most: int | None, window: float | None, *, inline: bool
) -> ScaleOptions | None:
    """How pools are scaled, as a person asked for it; None for not.

    Raises:
        InvalidInput: for bounds that cannot be.
        typer.BadParameter: for options that contradict each other.
    """
    if not autoscale:
        if (least, most, window) != (None, None, None):
            raise typer.BadParameter("--min, --max and --scale-in-after say how --autoscale does it; add that")
        return None
    if inline:
        raise typer.BadParameter("--autoscale scales pools, and with --inline all of them are one process: choose one")
    from sagamesh.stack.autoscale import ScaleOptions

    usual = ScaleOptions()
    least = usual.least if least is None else least
    return ScaleOptions(
        least=least,
        most=max(usual.most, least) if most is None else most,
        window=usual.window if window is None else window,
    )


def _numbers(pairs: list[str]) -> dict[str, int]:
    numbers = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if not name or not number.isdecimal():
            raise typer.BadParameter(f"{pair!r} is not NAME=PORT", param_hint="--helper-port")
        numbers[name] = int(number)
    return numbers


def _arguments(options: PortOptions, patience: float) -> list[str]:
    """The options of `up` that ask for the same."""
    ports = {"--port": options.grpc, "--http-port": options.http, "--metrics-port": options.metrics}
    if options.web is not None:
        ports["--ui-port"] = options.web
    arguments = [f"{option}={number}" for option, number in ports.items()]
    arguments += [f"--helper-port={name}={number}" for name, number in options.helpers.items()]
    return [*arguments, f"--patience={patience}"]
