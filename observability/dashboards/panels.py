"""Panels. Each has a title, a description that says how to read it, a unit, and says so when it has nothing to show."""

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    logs,
    stat,
    statetimeline,
    statushistory,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as chosen
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from observability.dashboards.links import Link
from observability.dashboards.queries import LOKI, PROMETHEUS

Query = Builder[Dataquery]
# Value to what stands there and its colour.
States = dict[str, tuple[str, str]]
GOOD, WARNING, BAD, CALM = "green", "orange", "red", "blue"


def steps(*bounds: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """From each bound on its colour; the first bound is None, minus infinity."""
    colours = [Threshold(value=bound, color=colour) for bound, colour in bounds]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(colours)


ANY_IS_BAD = ((None, GOOD), (1.0, BAD))
ANY_IS_A_WARNING = ((None, GOOD), (1.0, WARNING))
PLAIN = ((None, CALM),)
# Of 1, what is in use.
FULL = ((None, GOOD), (0.8, WARNING), (0.9, BAD))


def number(
    title: str, description: str, unit: str, query: Query, *, bounds: tuple[tuple[float | None, str], ...] = PLAIN
) -> stat.Panel:
    """One number, the latest, a sixth of the width."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(PROMETHEUS)
        .targets([query])
        .thresholds(steps(*bounds))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(chosen.BigValueColorMode.VALUE)
        .graph_mode(chosen.BigValueGraphMode.NONE)
        .no_value("no data")
        .span(4)
        .height(4)
    )


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    links: tuple[Link, ...] = (),
    bounds: tuple[tuple[float | None, str], ...] = (),
    source: DataSourceRef = PROMETHEUS,
) -> timeseries.Panel:
    """Lines over time; `bounds` are drawn as lines across."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(source)
        .targets(list(queries))
        .min(0)
        .line_width(2)
        .fill_opacity(8)
        .show_points(chosen.VisibilityMode.AUTO)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(chosen.LegendDisplayMode.TABLE)
            .placement(chosen.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(chosen.TooltipDisplayMode.MULTI).sort(chosen.SortOrder.DESCENDING))
        .no_value("no data")
        .span(width)
        .height(8)
    )
    if links:
        panel = panel.data_links(list(links))
    if bounds:
        drawn = common.GraphThresholdsStyleConfig().mode(chosen.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(steps(*bounds)).thresholds_style(drawn)
    return panel


def bars(title: str, description: str, unit: str, *queries: Query, width: int = 12) -> timeseries.Panel:
    """Counts over time, one on the other."""
    panel = stacked(title, description, unit, *queries, width=width).draw_style(chosen.GraphDrawStyle.BARS)
    # With shorter steps than what each bar counts, one event would stand in several bars.
    return panel.interval("1m")


def stacked(
    title: str, description: str, unit: str, *queries: Query, width: int = 12, source: DataSourceRef = PROMETHEUS
) -> timeseries.Panel:
    """Parts of a whole over time."""
    panel = graph(title, description, unit, *queries, width=width, source=source)
    return panel.stacking(common.StackingConfig().mode(chosen.StackingMode.NORMAL)).fill_opacity(60).line_width(1)


def timeline(
    title: str, description: str, states: States, *queries: Query, width: int = 12, links: tuple[Link, ...] = ()
) -> statetimeline.Panel:
    """What state each thing was in, and when."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .unit("none")
        .datasource(PROMETHEUS)
        .targets(list(queries))
        .mappings([mapping(states)])
        .thresholds(steps(*PLAIN))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .merge_values(True)
        .show_value(chosen.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .no_value("no data")
        .span(width)
        .height(8)
    )
    return panel.data_links(list(links)) if links else panel


def squares(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    bounds: tuple[tuple[float | None, str], ...],
    width: int = 24,
) -> statushistory.Panel:
    """A heatmap of things over time: one row a thing, one square a step, coloured by the value."""
    return (
        statushistory.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(PROMETHEUS)
        .targets([query])
        .thresholds(steps(*bounds))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .show_value(chosen.VisibilityMode.NEVER)
        .max_data_points(60)
        .no_value("no data")
        .span(width)
        .height(9)
    )


def distribution(title: str, description: str, unit: str, query: Query, *, width: int = 12) -> heatmap.Panel:
    """A histogram over time: darker where more was."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .unit("short")
        .datasource(PROMETHEUS)
        .targets([query])
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Blues").steps(32))
        .exemplars_color("rgba(255,0,255,0.7)")
        .no_value("no data")
        .span(width)
        .height(8)
    )


def ranking(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    bounds: tuple[tuple[float | None, str], ...] = PLAIN,
    width: int = 12,
    links: tuple[Link, ...] = (),
) -> bargauge.Panel:
    """One bar a thing, by its latest value."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(PROMETHEUS)
        .targets([query])
        .thresholds(steps(*bounds))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .orientation(chosen.VizOrientation.HORIZONTAL)
        .display_mode(chosen.BarGaugeDisplayMode.BASIC)
        .min(0)
        .no_value("no data")
        .span(width)
        .height(8)
    )
    return panel.data_links(list(links)) if links else panel


def listing(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    columns: dict[str, str],
    width: int = 24,
    links: dict[str, list[dict[str, object]]] | None = None,
    units: dict[str, str] | None = None,
    source: DataSourceRef = PROMETHEUS,
) -> table.Panel:
    """Rows now. `columns` are the labels that are shown and their headings; the values' is named ``Value``.

    With several queries their values stand beside each other, as ``Value #A``, ``Value #B``.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(source)
        .targets(list(queries))
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
        )
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "renameByName": columns,
                    "indexByName": {name: position for position, name in enumerate(columns)},
                },
            )
        )
        .no_value("none")
        .span(width)
        .height(8)
    )
    for column, addresses in (links or {}).items():
        panel = panel.override_by_name(columns[column], [DynamicConfigValue(id_val="links", value=addresses)])
    for column, its_unit in (units or {}).items():
        panel = panel.override_by_name(columns[column], [DynamicConfigValue(id_val="unit", value=its_unit)])
    return panel


def stream(title: str, description: str, query: Query, *, height: int = 14) -> logs.Panel:
    """Log lines, the newest first; a line opens to all of its fields."""
    return (
        logs.Panel()
        .title(title)
        .description(description)
        .unit("string")
        .datasource(LOKI)
        .targets([query])
        .show_time(True)
        .wrap_log_message(True)
        .prettify_log_message(False)
        .enable_log_details(True)
        .sort_order(chosen.LogsSortOrder.DESCENDING)
        .dedup_strategy(chosen.LogsDedupStrategy.NONE)
        .span(24)
        .height(height)
    )


def mapping(states: States) -> ValueMap:
    return ValueMap(
        options={
            value: ValueMappingResult(text=text, color=colour, index=position)
            for position, (value, (text, colour)) in enumerate(states.items())
        }
    )
