"""The command `doctor`: what is wrong, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.cli.finding import Finding

__all__ = ["register"]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("doctor")(doctor)


def doctor(json: output.JsonOption = False) -> None:
    """Look for what keeps tasks from running: this machine, the project, the server, the workers, the tasks.

    Exit code 1 when something does not work, 3 when the server cannot be reached.
    """
    from sagamesh.cli.local_checks import app_check, local_checks, project_checks

    report = _Report(json)
    for finding in local_checks():
        report.add(finding)
    checked, app = app_check()
    report.add(checked)
    if app is not None:
        for finding in project_checks(app):
            report.add(finding)
    reached = output.run(_server(app, report))
    report.finish()
    if not reached:
        raise typer.Exit(output.UNREACHABLE)
    if report.failed:
        raise typer.Exit(output.TASK_FAILED)


class _Report:
    """Prints findings as they come, or all of them as JSON at the end."""

    def __init__(self, json: bool) -> None:
        self._json = json
        self._findings: list[Finding] = []

    @property
    def failed(self) -> bool:
        return any(finding.level == "fail" for finding in self._findings)

    def add(self, finding: Finding) -> None:
        from rich.text import Text

        self._findings.append(finding)
        if self._json:
            return
        level = finding.level.value
        output.print_text(Text.assemble((f"{level:<4}", _STYLES[level]), f"  {finding.check}: {finding.message}"))
        if finding.advice:
            output.print_text(f"      {finding.advice}")

    def finish(self) -> None:
        if self._json:
            output.print_json({"ok": not self.failed, "checks": self._findings})


async def _server(app: App | None, report: _Report) -> bool:
    """The checks of the server; whether it was reached."""
    from sagamesh.cli.finding import Finding
    from sagamesh.cli.server_checks import address, server_checks
    from sagamesh.client import Client
    from sagamesh.errors import DefinitionError, InvalidInput, ServerUnreachable

    plugin = app.plugin() if app is not None else None
    try:
        target, said = address()
    except (DefinitionError, InvalidInput) as error:
        report.add(Finding.fail("server", str(error), "correct it; TEMPORAL_PROFILE chooses another profile"))
        return False
    try:
        client = await Client.connect(plugin=plugin, address=target)
    except (DefinitionError, InvalidInput) as error:
        report.add(Finding.fail("server", f"{target} ({said}): {error}", "correct it"))
        return False
    except ServerUnreachable as error:
        report.add(Finding.fail("server", f"{target} ({said}) {error.what}", error.advice))
        return False
    report.add(Finding.ok("server", f"{target} answers ({said})"))
    try:
        async for finding in server_checks(client, app):
            report.add(finding)
    except ServerUnreachable as error:
        report.add(Finding.fail("server", str(error), "then run `sagamesh doctor` again"))
        return False
    return True
