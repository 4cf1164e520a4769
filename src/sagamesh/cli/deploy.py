"""The group `deploy`: what a project's chart must know of its code, and the versions of its workers."""

from __future__ import annotations

import typer

from sagamesh.cli import output, releases

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    deploy = typer.Typer(help="Bring the project's pools to production.", no_args_is_help=True)
    deploy.command("values")(values)
    releases.register(deploy)
    app.add_typer(deploy, name="deploy")


def values(json: output.JsonOption = False) -> None:
    """Write the list of pools for the Helm chart: agents, zones, queues, and how long a stop must wait for their calls.

    Needs neither a server nor a cluster: `sagamesh deploy values > agents.yaml`.
    """
    from sagamesh.app import app_reference, load_app, own_app, project_root
    from sagamesh.deploy import as_values, as_yaml, pool_facts

    pools, app = pool_facts(load_app(running=False)), app_reference(running=False)
    if app == own_app(project_root()):
        app = ""  # the image names it
    if json:
        output.print_json(as_values(pools, app))
    else:
        typer.echo(as_yaml(pools, app), nl=False)
