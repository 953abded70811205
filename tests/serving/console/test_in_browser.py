"""The pages in a browser, over a platform in memory: forms, their errors, what is text stays text."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import visiting
from tests.serving.console.platform import FakePlatform
from tests.serving.fakes import eventually

pytestmark = pytest.mark.slow  # all together; each takes a few seconds


def test_a_run_is_started_from_the_form_and_watched(browser: Browser, console: str, platform: FakePlatform) -> None:
    """Only what was changed is sent; the stages, the log and what it left appear while it goes on."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/")
        page.get_by_role("link", name="Start a run").click()
        page.get_by_label("Deployment").select_option("pipeline/movies")
        page.get_by_label("params").fill('{"k": 20}')
        page.get_by_label("as_of").fill("7")
        page.get_by_label("fresh").check()
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("pipeline-movies")
        expect(page.locator("#log li")).to_have_count(4)
        expect(page.locator("#log")).to_contain_text("<script>alert(1)</script> is text")
        expect(page.locator("#stages li")).to_have_count(4)
        expect(page.locator("#summary")).to_contain_text("Completed")
        expect(page.locator("#result")).to_contain_text("movies@2")
        asked = platform.asked[-1]
        assert asked["parameters"] == {"params": {"k": 20}, "as_of": 7, "fresh": True}
        assert re.fullmatch("[0-9a-f]{32}", asked["idempotency_key"])


def test_artifacts_are_tables_texts_and_pictures(browser: Browser, console: str, platform: FakePlatform) -> None:
    """Markdown as elements, HTML in it as text; pictures of other machines are links that nobody follows."""
    run = next(iter(platform.runs))
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto(f"/console/runs/{run}")
        artifacts = page.locator("#artifacts")
        expect(artifacts.locator("h4")).to_have_text("It may")
        expect(artifacts.locator("li")).to_have_text("ndcg is <i>good</i>")
        expect(artifacts.get_by_role("cell", name="0.34")).to_be_visible()
        expect(artifacts.locator("img")).to_have_count(1)
        expect(artifacts.get_by_role("link", name="https://pictures.example/plot.png")).to_be_visible()


def test_errors_stand_beside_their_fields(browser: Browser, console: str, platform: FakePlatform) -> None:
    """What cannot be read is not sent; what the service refuses is told where it was typed."""
    sent = len(platform.asked)
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/runs/new?deployment=train/movies")
        expect(page.get_by_label("Deployment")).to_have_value("train/movies")
        page.get_by_label("params").fill("{k: 20}")
        page.get_by_label("limit").fill("10")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_text("This is not JSON")).to_be_visible()
        expect(page.get_by_text("At most 9.")).to_be_visible()
        expect(page.get_by_label("params")).to_be_focused()
        assert len(platform.asked) == sent
        page.get_by_label("params").fill('{"bad": 1}')
        page.get_by_label("limit").fill("9")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_text("bad: no such parameter.")).to_be_visible()
        expect(page.get_by_label("params")).to_have_attribute("aria-invalid", "true")
        _forget_refusals(visit.errors)


def test_a_run_is_cancelled_and_retried(browser: Browser, console: str, platform: FakePlatform) -> None:
    """After a question; whoever thinks better of it changes nothing."""
    run = platform.start("pipeline/movies", {"use_case": "movies", "size": "large"}, ago=400, seconds=300)
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto(f"/console/runs/{run['id']}")
        expect(page.locator("#summary")).to_contain_text("Failed")
        expect(page.locator("#summary")).to_contain_text("The large ones never fit.")
        page.get_by_role("button", name="Retry").click()
        page.get_by_role("button", name="Leave it").click()
        expect(page.locator("#summary")).to_contain_text("Failed")
        page.get_by_role("button", name="Retry").click()
        page.get_by_role("button", name="Retry the run").click()
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancel the run").click()
        expect(page.locator("#summary")).to_contain_text("Cancelled")


def test_the_list_of_runs_is_filtered_and_paged(browser: Browser, console: str) -> None:
    """By the address, so that a filter can be sent to somebody."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/runs")
        expect(page.locator("#runs tbody tr")).to_have_count(50)
        page.get_by_role("link", name="Older").click()
        expect(page).to_have_url(re.compile("cursor=50"))
        expect(page.locator("#runs tbody tr").first).to_be_visible()
        page.get_by_role("link", name="Newest").click()
        page.get_by_label("Use case").select_option("diabetes")
        expect(page).to_have_url(re.compile("use_case=diabetes"))
        expect(page.get_by_text("No run fits.")).to_be_visible()
        expect(page.get_by_label("Use case")).to_have_value("diabetes")


def test_tasks_are_grouped_filtered_and_taken_as_csv(browser: Browser, console: str) -> None:
    """The columns of Flower's table; a name leads to its tasks, a task to its run and its parent."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/tasks")
        expect(page.locator("#tasks tbody tr")).to_have_count(2)
        page.locator("#names").get_by_role("link", name="train.fit").click()
        expect(page.locator("#tasks tbody tr")).to_have_count(1)
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert "name=train.fit" in download.value.url
        page.locator("#tasks").get_by_role("link", name="train.fit").click()
        expect(page.locator("#arguments")).to_contain_text("<train of movies>")
        expect(page.locator("#outcome")).to_have_text("ModelRef(movies@2)")


def test_workers_and_logs_are_shown(browser: Browser, console: str) -> None:
    """Memory as a share, hosts and heartbeats; the log's lines as text."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/workers")
        expect(page.locator("#dask")).to_contain_text("3.0 GiB of 4.0 GiB")
        expect(page.locator("#prefect")).to_contain_text("sluice")
        page.goto("/console/logs")
        expect(page.locator("#log li")).to_have_count(4)


def test_a_version_is_promoted_and_rolled_back_with_a_reason(browser: Browser, console: str) -> None:
    """The history says why; the service answers with the version, and a refusal stays in the question."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/models")
        page.get_by_role("link", name="diabetes").click()
        _promote(page, "1", "to begin with")
        _promote(page, "2", "better for the old")
        expect(page.locator("#history tbody tr").first).to_contain_text("better for the old")
        expect(page.locator("#serving")).to_contain_text("2")
        page.get_by_role("button", name="Roll back", exact=True).click()
        page.get_by_label("Reason").fill("it was not")
        page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(page.locator("#history tbody tr").first).to_contain_text("it was not")
        expect(page.get_by_role("row", name=re.compile("^1 ")).first).to_contain_text("answers here")


def test_the_evaluation_shows_labels_and_asks_the_model(browser: Browser, console: str) -> None:
    """Accuracy, both arrays, the matrix; the form has the model's example, and names what is wrong."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/models/diabetes/evaluation")
        expect(page.locator("#metrics")).to_contain_text("75.0 %")
        expect(page.locator("#true")).to_have_text(re.compile(r"^\[0, 0, 1, 1, 0, 1"))
        expect(page.locator("#predicted")).to_have_text(re.compile(r"^\[0, 1, 1, 0, 0, 1"))
        expect(page.locator("#predicted mark")).to_have_count(30)
        expect(page.locator("#confusion tbody tr").nth(1)).to_have_text(re.compile("1\\s*15\\s*30"))
        expect(page.get_by_label("glucose")).to_have_value("138")
        page.get_by_label("glucose").fill("much")
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_text("This is not a number.")).to_be_visible()
        page.get_by_label("glucose").fill("180,5")
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#answer")).to_contain_text("label1")


def test_the_evaluation_of_a_recommender_has_its_rankings(browser: Browser, console: str) -> None:
    """Another kind of model has another page, and no form."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/models/movies/evaluation")
        expect(page.locator("#ranking")).to_contain_text("0.3421")
        expect(page.locator("#examples")).to_contain_text("Blade Runner")
        expect(page.locator("#classifier")).to_be_hidden()


def test_films_are_recommended_to_users_and_to_strangers(browser: Browser, console: str) -> None:
    """By a user's id, or by liked titles that were searched; titles are text."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/models/movies/recommendations")
        expect(page.locator("#ranking li").first).to_contain_text("Alien (1979)")
        page.get_by_label("User", exact=True).fill("77")
        page.get_by_role("button", name="Recommend").click()
        expect(page.locator("#told")).to_contain_text("does not know user 77")
        page.get_by_label("Somebody who likes these").check()
        page.get_by_label("Search a title").fill("bold")
        page.get_by_role("button", name="<b>Bold</b> & Sons (1999)").click()
        expect(page.locator("#told")).to_contain_text("For somebody who likes this.")
        expect(page.locator("#ranking li").first).to_contain_text(re.compile("Toy Story|Monsters|Amélie"))
        page.get_by_label("Genre").select_option("Romance")
        page.get_by_role("button", name="Recommend").click()
        expect(page.locator("#ranking li")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_a_telephone(browser: Browser, console: str, platform: FakePlatform, dark: bool) -> None:
    """At 380 pixels nothing but tables and logs is wider than the screen, and those scroll by themselves."""
    run = next(iter(platform.runs))
    with visiting(browser, console, width=380, dark=dark) as visit:
        for address in (
            "runs", "runs/new", f"runs/{run}", "tasks", "workers", "logs", "models", "models/diabetes",
            "models/diabetes/evaluation", "models/movies/recommendations",
        ):  # fmt: skip
            visit.page.goto(f"/console/{address}", wait_until="networkidle" if address == "runs/new" else "load")
            visit.page.wait_for_timeout(150)
            wide = visit.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 380, address


def test_every_page_can_be_used_with_the_keyboard(browser: Browser, console: str) -> None:
    """The first key leads past the navigation; every field has a name that is told."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/runs/new")
        expect(page.get_by_label("limit")).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        nameless = page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')]"
            ".filter((one) => !one.labels?.length && !one.textContent.trim() && !one.ariaLabel).length"
        )
        assert nameless == 0


def test_an_engine_that_is_down_is_told_and_the_page_goes_on(
    browser: Browser, console: str, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's sentence stands on the page until the next look finds it again."""
    with visiting(browser, console) as visit:
        page = visit.page
        page.goto("/console/runs/nothing")
        expect(page.get_by_role("alert")).to_contain_text("nothing")
        eventually(lambda: visit.errors)
        _forget_refusals(visit.errors)


def _promote(page: Page, version: str, reason: str) -> None:
    row = page.get_by_role("row", name=re.compile(f"^{version} "))
    button = row.get_by_role("button", name="Promote")
    if version == "1" and not button.count():  # it is champion, which the history does not know yet
        page.request.post("/models/diabetes/promote", data={"version": "1", "reason": reason})
        return
    button.click()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Promote it").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def _forget_refusals(errors: list[str]) -> None:
    """Browsers write every answer from 400 on into the console: those that the test asked for are no errors."""
    errors[:] = [text for text in errors if not text.startswith("Failed to load resource")]
