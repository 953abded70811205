"""A dashboard as a whole: its rows and panels, its variables and its links to the others."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, Panel

from observability.dashboards.links import to_other_pages
from observability.dashboards.variables import Variable

Shown = Builder[Panel]
# Each group of panels that belong together, under its heading.
Rows = dict[str, list[Shown]]


@dataclass(frozen=True)
class Page:
    """One dashboard. `rows` and `variables` are functions: building is for the command, not for the import."""

    name: str
    title: str
    description: str
    rows: Callable[[], Rows]
    variables: Callable[[], list[Variable]]
    annotations: Callable[[], list[dict[str, Any]]] = field(default=list)
    since: str = "now-6h"

    @property
    def uid(self) -> str:
        """Fixed, so that links from alerts, documents and other dashboards keep working."""
        return f"sluice-{self.name}"

    def render(self) -> str:
        """The JSON as Grafana reads it; the same bytes each time."""
        built = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags(["sluice"])
            .readonly()
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .timezone("browser")
            .refresh("30s")
            .links(to_other_pages())
            .variables(self.variables())
        )
        for heading, panels in self.rows().items():
            built = built.with_row(dashboard.Row(heading))
            for panel in panels:
                built = built.with_panel(panel)
        tree: dict[str, Any] = json.loads(json.dumps(built.build(), cls=JSONEncoder))
        for number, panel in enumerate(tree["panels"], start=1):
            # A link to one panel (viewPanel=…) needs a number that is not Grafana's own choice at load.
            panel["id"] = number
            for letter, target in zip(ascii_uppercase, panel.get("targets", ()), strict=False):
                target["refId"] = letter
        # The builder's annotations know no query for their title and text.
        tree["annotations"] = {"list": self.annotations()}
        return json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
