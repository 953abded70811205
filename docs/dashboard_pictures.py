"""Draws the dashboards' panels with the data of a running stack. This is not Grafana.

python docs/dashboard_pictures.py [MINUTES]     in the folder of a stack that runs with `sluice up --observe`

It reads the committed JSON, asks the stack's Prometheus what each panel asks (and Loki, where SLUICE_LOGS__LOKI_URL
names one), and draws the answers into docs/images. Colours, links and interaction are Grafana's own.
"""

import json
import math
import os
import re
import sys
import time
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import matplotlib
from PIL import Image

matplotlib.use("Agg")
from dashboard_panels import DRAWN
from matplotlib import pyplot
from matplotlib.patches import Rectangle

DASHBOARDS = Path(__file__).parents[1] / "observability" / "grafana" / "dashboards"
IMAGES = Path(__file__).parent / "images"
_NOTE = (
    "The committed panels and queries, with a real stack's data; drawn by docs/dashboard_pictures.py, not by Grafana."
)
_POINTS = 240
_SCRAPE_SECONDS = 15


@dataclass(frozen=True)
class Asking:
    """Where panels' queries go, for which time.

    Attributes:
        loki: empty where there is none.
    """

    client: httpx.Client
    prometheus: str
    loki: str
    start: float
    end: float
    least: float = _SCRAPE_SECONDS  # seconds of a step

    @property
    def step(self) -> float:
        return max(self.least, (self.end - self.start) / _POINTS)

    def expanded(self, expression: str, defaults: dict[str, str]) -> str:
        """With what Grafana puts in place of its variables, everything being chosen."""
        own = {
            "__rate_interval": f"{math.ceil(max(self.step + _SCRAPE_SECONDS, 4 * _SCRAPE_SECONDS))}s",
            "__range": f"{round(self.end - self.start)}s",
            "__auto": f"{math.ceil(self.step)}s",
        }
        return re.sub(r"\$(\w+)", lambda found: {**defaults, **own}.get(found[1], found[0]), expression)

    def ask(self, target: dict[str, Any], defaults: dict[str, str]) -> list[dict[str, Any]]:
        """Prometheus' or Loki's answer; a range where the panel asks for one."""
        source = self.loki if target["datasource"]["type"] == "loki" else self.prometheus
        if not source:
            return []
        instant = target.get("instant") or target.get("queryType") == "instant"
        kind = "loki/api/v1" if source == self.loki else "api/v1"
        expression = target["expr"]
        if instant:  # then Grafana's $__auto is the whole time
            expression = expression.replace("$__auto", "$__range")
        query: dict[str, str | float] = {"query": self.expanded(expression, defaults)}
        if instant:
            query["time"] = self.end
        else:
            query |= {"start": self.start, "end": self.end, "step": self.step}
        answer = self.client.get(f"{source}/{kind}/{'query' if instant else 'query_range'}", params=query)
        if answer.is_error:
            raise RuntimeError(f"{target['expr']}: {answer.text}")
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found


def main() -> None:
    """Every dashboard, of the last MINUTES (60)."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    port = os.environ.get("SLUICE_OBSERVE__PROMETHEUS_PORT", "9090")
    end = time.time()
    asking = Asking(
        httpx.Client(timeout=30, trust_env=False),
        f"http://127.0.0.1:{port}",
        os.environ.get("SLUICE_LOGS__LOKI_URL", "").rstrip("/"),
        end - 60 * minutes,
        end,
    )
    for path in sorted(DASHBOARDS.glob("*.json")):
        draw(json.loads(path.read_text(encoding="utf-8")), asking, IMAGES / f"dashboard-{path.stem}.png")


def draw(dashboard: dict[str, Any], asking: Asking, path: Path) -> None:
    """One picture: the panels where Grafana would put them."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    width, height = 15.0, 0.42 * bottom + 0.7
    figure = pyplot.figure(figsize=(width, height), facecolor="#f4f5f7")
    figure.text(0.01, 1 - 0.27 / height, dashboard["title"], size=15, weight="bold", va="center")
    figure.text(0.99, 1 - 0.27 / height, _NOTE, size=8, color="#5a6068", va="center", ha="right", style="italic")
    defaults = {one["name"]: one.get("allValue") or "" for one in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        top = height - 0.6 - 0.42 * place["y"]
        box = (0.01 + 0.98 * place["x"] / 24, (top - 0.42 * place["h"]) / height,
               0.98 * place["w"] / 24, 0.42 * place["h"] / height)  # fmt: skip
        if panel["type"] == "row":
            figure.text(box[0], box[1] + box[3] / 2, panel["title"], size=11, weight="bold", va="center")
            continue
        _card(figure, box, height, panel["title"])
        inner = figure.add_axes(
            (box[0] + 0.012, box[1] + 0.12 / height, box[2] - 0.02, box[3] - 0.5 / height), facecolor="none"
        )
        mine = replace(asking, least=60) if panel.get("interval") == "1m" else asking
        answers = [(target, mine.ask(target, defaults)) for target in panel["targets"] if "expr" in target]
        DRAWN[panel["type"]](inner, panel, answers, mine)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=85)
    pyplot.close(figure)
    # A clone stays small: few colours are enough for lines and letters.
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def _card(figure: Any, box: tuple[float, float, float, float], height: float, title: str) -> None:
    x, y, width, tall = box
    margin = 0.04 / height
    figure.patches.append(
        Rectangle((x + 0.002, y + margin), width - 0.004, tall - 2 * margin, transform=figure.transFigure,
                  facecolor="white", edgecolor="#d5d8dd", zorder=-1)
    )  # fmt: skip
    figure.text(x + 0.007, y + tall - 0.2 / height, title, size=9, weight="bold", va="center")


if __name__ == "__main__":
    main()
