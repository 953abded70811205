"""How each type of panel is drawn, for `dashboard_pictures`: with matplotlib, from what the query answered."""

import json
import math
import re
import time
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, date2num
from matplotlib.patches import Rectangle

_COLOURS = {
    "green": "#3d9a50", "orange": "#e8862c", "red": "#d0364a", "blue": "#3274b5", "yellow": "#e3c12f",
    "transparent": "#ffffff",
}  # fmt: skip
_LINES = ("#3274b5", "#e8862c", "#3d9a50", "#d0364a", "#8a5fb5", "#7a5a4a", "#d478b0", "#7d848f", "#a8aa2f", "#35aebf")
_MOST_LINES = 10

Series = tuple[str, list[float], list[float]]  # name, times, values


class Asking(Protocol):
    """For which time the panels are drawn, in seconds since the epoch; and whether there was a Loki."""

    loki: str
    start: float
    end: float

    @property
    def step(self) -> float: ...


def nothing(axes: Axes, text: str = "no data") -> None:
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center", size=9, color="#8a8f98", transform=axes.transAxes)


def _named(target: dict[str, Any], labels: dict[str, str]) -> str:
    legend = target.get("legendFormat", "")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip() or "value"


def _series(answers: list[Any]) -> list[Series]:
    found = []
    for target, results in answers:
        for one in results:
            points = [(float(at), float(value)) for at, value in one.get("values") or [one["value"]]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            if points:
                found.append((_named(target, one["metric"]), [p[0] for p in points], [p[1] for p in points]))
    return found


def shown(value: float, unit: str) -> str:
    """A value with its unit, in few characters."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return "0 s"
    if unit in {"bytes", "Bps"}:
        size, name = next((each for each in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if abs(value) >= each[0]),
                          (1, "B"))  # fmt: skip
        return f"{value / size:.3g} {name}{'/s' if unit == 'Bps' else ''}"
    text = f"{value / 1e6:.3g} M" if abs(value) >= 1e6 else f"{value:.4g}"
    return f"{text}/s" if unit == "reqps" else text


def _colour(panel: dict[str, Any], value: float) -> str:
    name = "blue"
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ()):
        if step["value"] is None or value >= step["value"]:
            name = step["color"]
    return _COLOURS.get(name, name)


def _unit(panel: dict[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"].get("unit", "none"))


def _number(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    found = _series(answers)
    if not found:
        nothing(axes)
        return
    axes.axis("off")
    value = found[0][2][-1]
    axes.text(0.5, 0.5, shown(value, _unit(panel)), ha="center", va="center", size=21, weight="bold",
              color=_colour(panel, value), transform=axes.transAxes)  # fmt: skip


def _time_axis(axes: Axes, asking: Asking) -> None:
    axes.set_xlim(float(_dates([asking.start])[0]), float(_dates([asking.end])[0]))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    axes.tick_params(labelsize=7, length=2, colors="#5a6068")
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _dates(times: list[float]) -> Any:
    return date2num(np.array(times).astype("int64").astype("datetime64[s]"))


def _graph(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    found = sorted(_series(answers), key=lambda one: -max(one[2]))
    if not found:
        nothing(axes)
        return
    _shrink(axes, bottom=0.3, left=0.06)
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    unit = _unit(panel)
    base: dict[float, float] = {}
    for index, (name, times, values) in enumerate(found[:_MOST_LINES]):
        colour = _LINES[index % len(_LINES)]
        label = f"{name}  {shown(values[-1], unit)}"
        x = _dates(times)
        if stacked:
            low = [base.get(at, 0.0) for at in times]
            high = [one + other for one, other in zip(low, values, strict=True)]
            base.update(zip(times, high, strict=True))
            if custom.get("drawStyle") == "bars":
                axes.bar(x, values, bottom=low, width=0.9 * asking.step / 86400, color=colour, label=label)
            else:
                axes.fill_between(x, low, high, color=colour, alpha=0.7, label=label, linewidth=0)
        else:
            axes.plot(
                *_with_gaps(times, values, asking.step),
                color=colour,
                linewidth=1.4,
                label=label,
                marker="." if len(times) < 8 else None,
            )
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]:
            top = max(max(values) for _, _, values in found)
            if step["value"] <= max(1.0, 3 * top):
                axes.axhline(step["value"], color=_COLOURS[step["color"]], linestyle="--", linewidth=0.9)
    if panel["fieldConfig"]["defaults"].get("min") == 0:
        axes.set_ylim(bottom=0)
        if axes.get_ylim()[1] < 1e-12 or max(max(values) for _, _, values in found) == 0:
            axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    _time_axis(axes, asking)
    more = f"  … {len(found) - _MOST_LINES} more" if len(found) > _MOST_LINES else ""
    columns = 2 if panel["gridPos"]["w"] >= 12 else 1
    legend = found[: 6 if columns == 2 else 3]
    handles, labels = axes.get_legend_handles_labels()
    more = f"… and {len(found) - len(legend)} more" if len(found) > len(legend) else more
    axes.legend(handles[: len(legend)], [_short(one, 62 if columns == 2 else 50) for one in labels[: len(legend)]],
                loc="upper left", bbox_to_anchor=(0, -0.13), ncols=columns, fontsize=6.5, frameon=False,
                handlelength=1.2, borderpad=0, labelspacing=0.25, title=more or None, title_fontsize=6,
                alignment="left")  # fmt: skip


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _with_gaps(times: list[float], values: list[float], step: float) -> tuple[Any, list[float]]:
    """A line is broken where there were no samples."""
    at: list[float] = []
    drawn: list[float] = []
    for moment, value in zip(times, values, strict=True):
        if at and moment - at[-1] > 2.5 * step:
            at.append(at[-1] + step)
            drawn.append(math.nan)
        at.append(moment)
        drawn.append(value)
    return _dates(at), drawn


def _shrink(axes: Axes, *, bottom: float = 0.0, left: float = 0.0) -> None:
    x, y, width, height = axes.get_position().bounds
    # Labels need the same room whatever the panel's width is.
    left *= 0.45 / width if width else 1
    axes.set_position((x + left * width, y + bottom * height, (1 - left) * width, (1 - bottom) * height))


def _timeline(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    found = sorted(_series(answers))[:18]
    if not found:
        nothing(axes)
        return
    _shrink(axes, left=0.2, bottom=0.1)
    states = {
        float(value): result
        for one in panel["fieldConfig"]["defaults"].get("mappings", ())
        for value, result in one["options"].items()
    }
    mapped = panel["type"] == "state-timeline"
    seen: dict[str, str] = {}
    for row, (_, times, values) in enumerate(found):
        for moment, value in zip(times, values, strict=True):
            state = states.get(value, {"text": shown(value, "none"), "color": "#8a8f98"})
            colour = _COLOURS.get(state["color"], state["color"]) if mapped else _colour(panel, value)
            if mapped:
                seen[state["text"]] = colour
            start = _dates([moment])[0]
            axes.add_patch(Rectangle((start, row + 0.12), 1.02 * asking.step / 86400, 0.76, color=colour, linewidth=0))
    axes.set_ylim(len(found), 0)
    axes.set_yticks([row + 0.5 for row in range(len(found))], [_short(name, 30) for name, _, _ in found])
    _time_axis(axes, asking)
    axes.tick_params(axis="y", labelsize=7, length=0)
    if seen:
        handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in seen.values()]
        axes.legend(handles, list(seen), loc="lower right", bbox_to_anchor=(1, 1.0), ncols=len(seen), fontsize=7,
                    frameon=False, borderpad=0)  # fmt: skip


def _heat(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    bounds: dict[float, dict[float, float]] = {}
    for _, results in answers:
        for one in results:
            bound = float(one["metric"].get("le", "nan"))
            bounds[bound] = {float(at): float(value) for at, value in one["values"]}
    edges = sorted(bound for bound in bounds if math.isfinite(bound))
    times = sorted({at for values in bounds.values() for at in values})
    if not edges or not times:
        nothing(axes)
        return
    _shrink(axes, left=0.06, bottom=0.1)
    cumulative = np.array([[bounds[edge].get(at, math.nan) for at in times] for edge in edges])
    counts = np.diff(cumulative, axis=0, prepend=0)
    if not np.nansum(counts):
        nothing(axes)
        return
    counts[counts <= 1e-9] = np.nan
    x = _dates([*times, times[-1] + asking.step])
    axes.pcolormesh(x, np.arange(len(edges) + 1), counts, cmap="Blues", vmin=0)
    unit = panel["options"]["yAxis"].get("unit", "none")
    every = max(1, len(edges) // 8)
    axes.set_yticks(list(range(1, len(edges) + 1, every)), [shown(edge, unit) for edge in edges[::every]])
    _time_axis(axes, asking)


def _ranking(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    found = [(name, values[-1]) for name, _, values in _series(answers)][:_MOST_LINES]
    if not found:
        nothing(axes)
        return
    _shrink(axes, left=0.22)
    axes.barh(range(len(found)), [max(0.0, value) for _, value in found],
              color=[_colour(panel, value) for _, value in found], height=0.62)  # fmt: skip
    largest = max(1e-12, *(value for _, value in found))
    for row, (_, value) in enumerate(found):
        axes.text(max(0.0, value) + 0.01 * largest, row, shown(value, _unit(panel)), va="center", size=7.5)
    axes.set_yticks(range(len(found)), [_short(name, 32) for name, _ in found])
    axes.set_xlim(0, 1.2 * largest)
    axes.set_ylim(max(len(found), 4) - 0.5, -0.5)
    axes.set_xticks([])
    axes.tick_params(axis="y", labelsize=7.5, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _listing(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    organized = next(one["options"] for one in panel["transformations"] if one["id"] == "organize")
    columns: dict[str, str] = {
        name: organized["renameByName"][name]
        for name in sorted(organized["indexByName"], key=organized["indexByName"].__getitem__)
    }
    units = {
        one["matcher"]["options"]: each["value"]
        for one in panel["fieldConfig"]["overrides"]
        for each in one["properties"]
        if each["id"] == "unit"
    }
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for letter, (_, results) in zip("ABCDEF", answers, strict=False):
        for one in results:
            key = tuple(sorted(f"{name}={value}" for name, value in one["metric"].items()))
            heading = columns.get(f"Value #{letter}", "")
            row = rows.setdefault(key, dict(one["metric"]))
            row[f"Value #{letter}"] = shown(float(one["value"][1]), units.get(heading, _unit(panel)))
    if not rows:
        nothing(axes, "none")
        return
    axes.axis("off")
    cells = [[_short(row.get(name, ""), 60) for name in columns] for row in list(rows.values())[:9]]
    width = [1 / len(columns)] * len(columns)
    table = axes.table(
        cells,
        colLabels=list(columns.values()),
        colWidths=width,
        cellLoc="left",
        colLoc="left",
        loc="upper left",
        edges="B",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor("#d5d8dd")
        cell.set_text_props(weight="bold" if row == 0 else "normal")


def _lines(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    if not asking.loki:
        nothing(axes, "No Loki was there when this was drawn.")
        return
    found = sorted((line for _, results in answers for one in results for line in one["values"]), reverse=True)
    axes.axis("off")
    room = max(1, round(1.55 * panel["gridPos"]["h"]))
    for row, (at, line) in enumerate(found[:room]):
        try:
            fields = json.loads(line)
            text = f"{fields['level']:<8} {fields['service']:<10} {fields['msg']}"
        except (ValueError, KeyError, TypeError):
            text = line
        moment = time.strftime("%H:%M:%S", time.localtime(int(at) / 1e9))
        axes.text(0, 1 - (row + 0.5) / room, _short(f"{moment}  {text}".replace("\n", " "), 190), size=7,
                  family="monospace", va="center", transform=axes.transAxes, parse_math=False)  # fmt: skip


def _trace(axes: Axes, panel: dict[str, Any], answers: list[Any], asking: Asking) -> None:
    nothing(axes, "A trace is shown when its id is given above.")


DRAWN = {
    "stat": _number,
    "timeseries": _graph,
    "state-timeline": _timeline,
    "status-history": _timeline,
    "heatmap": _heat,
    "bargauge": _ranking,
    "table": _listing,
    "logs": _lines,
    "traces": _trace,
}
