"""What a dashboard of this project consists of, and how Grafana writes that down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, SortOrder, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)

__all__ = ["Board", "Panel", "Unit", "document"]

Unit = Literal["short", "percent", "percentunit", "s", "bytes", "Bps", "ops", "reqps"]
"""Grafana's names: percent is 0 to 100, percentunit 0 to 1."""

_TAG: Final = "sagamesh"
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH: Final = 24
"""Columns of a dashboard. Its numbers share the first row."""

Builder = TypeVar("Builder", Stat, Timeseries)


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure.

    - `query`: PromQL; `$namespace` and `$agent` stand for what the reader has chosen, `$__rate_interval` for a window
      that has at least four scrapes in it.
    - `legend`: a template of labels, such as `{{queue}}`.
    - `kind`: `lines` over time, or the newest `number`.
    - `warn`, `alarm`: from which value on it is yellow, and red.
    """

    title: str
    description: str
    query: str
    unit: Unit
    legend: str = ""
    kind: Literal["lines", "number"] = "lines"
    warn: float | None = None
    alarm: float | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `name` is its file's and its address's."""

    name: str
    title: str
    description: str
    panels: Sequence[Panel]


def document(board: Board) -> str:
    """The dashboard as Grafana reads it, one JSON document."""
    made = (
        Dashboard(f"Sagamesh: {board.title}")
        .uid(board.name)
        .description(board.description)
        .tags([_TAG])
        .timezone("browser")
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            DashboardLink("Sagamesh")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_choice("namespace", "Namespace", "label_values(agent_tasks_total, namespace)"))
    )
    if any("$agent" in panel.query for panel in board.panels):
        known = 'label_values(agent_tasks_total{namespace=~"$namespace"}, agent_id)'
        made.with_variable(_choice("agent", "Agent", known))
    numbers = sum(panel.kind == "number" for panel in board.panels)
    for id, panel in enumerate(board.panels, 1):
        if panel.kind == "lines":
            made.with_panel(_lines(panel).id(id).span(_WIDTH // 2).height(8))
        else:
            made.with_panel(_number(panel).id(id).span(_WIDTH // numbers).height(4))
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _choice(name: str, label: str, query: str) -> QueryVariable:
    # Nothing chosen is everything, also where no label of that name is.
    return (
        QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _lines(panel: Panel) -> Timeseries:
    return (
        _common(Timeseries(), panel)
        .with_target(_target(panel))
        .fill_opacity(10)
        .axis_soft_min(0)
        .legend(
            VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.RIGHT)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )


def _number(panel: Panel) -> Stat:
    return (
        _common(Stat(), panel)
        .with_target(_target(panel).instant())
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _common(builder: Builder, panel: Panel) -> Builder:
    return (
        builder.title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(_steps(panel)))
    )


def _target(panel: Panel) -> Dataquery:
    return Dataquery().ref_id("A").datasource(_SOURCE).expr(panel.query).legend_format(panel.legend or "__auto")


def _steps(panel: Panel) -> list[Threshold]:
    steps = [Threshold(value=None, color="green")]
    if panel.warn is not None:
        steps.append(Threshold(value=panel.warn, color="yellow"))
    if panel.alarm is not None:
        steps.append(Threshold(value=panel.alarm, color="red"))
    return steps
