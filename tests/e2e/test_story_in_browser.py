"""The whole story in a browser, on the real stack: from the form that starts a run to a model that is rolled back."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sluice.models import open_registry
from tests import browser as browsers
from tests import runs
from tests.browser import visiting
from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
RUN_MS = 400_000
# The search is not what is tested here.
ONE_CANDIDATE = {"gradient_boosting": {"learning_rate": [0.06], "iterations": [60], "max_depth": [2]}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.started() as browser:
        yield browser


def start_diabetes(page: Page, seed: int) -> None:
    """From the form, until it is over."""
    page.goto("/console/runs/new?deployment=pipeline/diabetes")
    expect(page.get_by_label("Deployment")).to_have_value("pipeline/diabetes")
    page.get_by_label(re.compile("^params")).fill(json.dumps({"seed": seed, "search": ONE_CANDIDATE}))
    page.get_by_role("button", name="Start", exact=True).click()
    # Until it starts it has a name that Prefect made up.
    expect(page.get_by_role("heading", level=1)).to_have_text("pipeline-diabetes", timeout=RUN_MS)
    expect(page.locator("#summary")).to_contain_text("completed", timeout=RUN_MS, ignore_case=True)


def test_a_run_is_started_followed_and_its_model_released(browser: Browser, stack: Stack) -> None:
    """A run from the form, its log and stages while it goes on, its tasks with their arguments; then two versions of
    the model: one is promoted with a reason and the release is taken back, and the service follows."""
    with visiting(browser, stack.record.serving_url) as visit:
        page = visit.page
        start_diabetes(page, 11)
        expect(page.locator("#stages li")).to_have_count(4)
        expect(page.locator("#log")).to_contain_text("evaluate: diabetes@")
        expect(page.locator("#log-state")).to_contain_text("lines")
        expect(page.locator("#result")).to_contain_text("diabetes")
        expect(page.locator("#artifacts")).to_contain_text("accuracy")
        page.locator("#stages").get_by_role("link", name="train").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("train-diabetes")
        page.locator("#tasks").get_by_role("link", name="Tasks").click()
        fit = page.locator("#tasks tbody tr").filter(has_text="train.fit").first
        expect(fit).to_contain_text("Completed")
        fit.get_by_role("link", name="train.fit").click()
        expect(page.locator("#arguments")).to_contain_text("plan")
        page.get_by_role("link", name="Workers").click()
        expect(page.locator("#dask tbody tr").first).to_contain_text("GiB")

        registry = open_registry(stack.settings)
        if len(registry.versions("diabetes")) < 2:  # other tests of the session make some too
            start_diabetes(page, 12)
        newest, before = (version.version for version in registry.versions("diabetes")[:2])
        page.get_by_role("link", name="Models").click()
        page.get_by_role("link", name="diabetes", exact=True).click()
        release(page, before)
        release(page, newest)
        page.get_by_role("button", name="Roll back", exact=True).click()
        page.get_by_label("Reason").fill("only a test")
        page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(row_of(page, before)).to_contain_text("answers here")
        expect(page.locator("#history tbody tr").first).to_contain_text("only a test")
        found = registry.find("diabetes", alias="champion")
        assert found is not None
        assert found.version == before


def row_of(page: Page, version: str) -> "object":
    return page.locator("#versions tbody tr").filter(has=page.get_by_role("rowheader", name=version, exact=True))


def release(page: Page, version: str) -> None:
    """Make it champion, unless it is."""
    row = row_of(page, version)
    expect(row).to_be_visible()
    if "champion" in (row.text_content() or ""):
        return
    row.get_by_role("button", name="Promote").click()
    page.get_by_label("Reason").fill(f"a test of {version}")
    page.get_by_role("button", name="Promote it").click()
    expect(row).to_contain_text("champion")
    expect(row).to_contain_text("answers here")


def test_the_evaluation_is_shown_and_the_model_asked(browser: Browser, stack: Stack) -> None:
    """Accuracy, true and predicted labels, the matrix, and a prediction from the form's example."""
    with visiting(browser, stack.record.serving_url) as visit:
        page = visit.page
        page.goto("/console/models/diabetes/evaluation")
        expect(page.locator("#metrics")).to_contain_text(re.compile(r"accuracy\s*\d\d\.\d %"))
        expect(page.locator("#true")).to_have_text(re.compile(r"^\[[01](, [01])+\]$"))
        expect(page.locator("#predicted")).to_have_text(re.compile(r"^\[[01](, [01])+\]$"))
        expect(page.locator("#confusion tbody td")).to_have_count(4)
        expect(page.get_by_label("glucose")).not_to_have_value("")
        page.get_by_label("glucose").fill("190")
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#answer")).to_contain_text(re.compile(r"label\s*[01]"))
        expect(page.locator("#answer")).to_contain_text("probability")


@pytest.mark.rare
def test_films_are_recommended(browser: Browser, stack: Stack) -> None:
    """To a user of the data, and to somebody who likes what a search has found, with titles."""
    ended = runs.run(stack, "pipeline/movies", timeout=400)
    assert ended.completed, ended.message
    with visiting(browser, stack.record.serving_url) as visit:
        page = visit.page
        page.goto("/console/models/movies")
        page.get_by_role("link", name="Recommendations").click()
        expect(page.locator("#ranking li")).to_have_count(10)
        expect(page.locator("#told")).to_contain_text("For user 1.")
        page.get_by_label("Somebody who likes these").check()
        page.get_by_label("Search a title").fill("toy story")
        page.get_by_role("button", name="Toy Story", exact=False).first.click()
        expect(page.locator("#told")).to_contain_text("For somebody who likes this.")
        expect(page.locator("#ranking li")).to_have_count(10)
        expect(page.locator("#ranking")).not_to_contain_text(re.compile("^Toy Story$"))
