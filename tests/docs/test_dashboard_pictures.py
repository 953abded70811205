"""What draws the pictures of docs/dashboards.md can draw every panel that there is."""

import importlib.util
from types import ModuleType, SimpleNamespace

import pytest
from matplotlib import pyplot

from tests.docs.pages import ROOT
from tests.observability.panel_queries import dashboards, panels


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboard_panels", ROOT / "docs" / "dashboard_panels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _answer(target: dict, at: float) -> list[dict]:
    """As Prometheus would, with three points, a gap, and what is no number."""
    values = [[at, "1"], [at + 15, "NaN"], [at + 30, "0.5"]]
    labels = {"model": "movies", "le": "0.5"}
    return [{"metric": labels, "value": values[0]} if target.get("instant") else {"metric": labels, "values": values}]


@pytest.mark.parametrize("empty", [False, True], ids=["with data", "without"])
def test_every_type_of_panel_is_drawn(drawing: ModuleType, empty: bool) -> None:
    """One panel of each type that the dashboards have: with data something is drawn, without it says so."""
    asking = SimpleNamespace(loki="", start=1_800_000_000.0, end=1_800_003_600.0, step=15.0)
    tried = {}
    for page in dashboards().values():
        for panel in panels(page):
            if panel["type"] in tried:
                continue
            answers = [
                (target, [] if empty else _answer(target, asking.start))
                for target in panel["targets"]
                if target["datasource"]["type"] == "prometheus"
            ]
            axes = pyplot.figure().add_axes((0, 0, 1, 1))
            drawing.DRAWN[panel["type"]](axes, panel, answers, asking)
            tried[panel["type"]] = [text.get_text() for text in axes.texts]
            pyplot.close(axes.figure)
    assert set(tried) == set(drawing.DRAWN)
    if empty:
        assert all(texts for texts in tried.values())
    else:
        assert "no data" not in {text for kind, texts in tried.items() for text in texts}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "percentunit", "12.3 %"),
        (5400, "s", "1.5 h"),
        (0.0042, "s", "4.2 ms"),
        (0, "s", "0 s"),
        (3 * 2**20, "Bps", "3 MiB/s"),
        (7.5, "reqps", "7.5/s"),
        (2_500_000, "short", "2.5 M"),
    ],
)
def test_values_are_shown_with_their_unit(drawing: ModuleType, value: float, unit: str, text: str) -> None:
    assert drawing.shown(value, unit) == text
