"""The shop as a stranger's package: installed beside a running stack, it is scraped, trained, served and earns."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mlflow
import polars as pl
import pytest
from parsel import Selector
from prometheus_client.parser import text_string_to_metric_families

from deployments.local.ports import free_ports
from sluice.documents import open_documents
from sluice.lake import Lake
from sluice.models import open_registry
from sluice.monitor_findings import FindingsStore
from sluice.references import TableRef
from sluice.runs import PrefectRuns
from tests import runs
from tests.conftest import CHECKOUT, INSTALLED, Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PORT = "8090"  # of the site, in the package's use_case.yaml
EVERY = 20  # seconds; a run whose start takes longer is superseded by the next


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports("127.0.0.1", 1)[0]


@pytest.fixture(scope="module")
def installed(stack: Stack, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package, built and installed from its source into a folder that the stack's processes look into."""
    source = tmp_path_factory.mktemp("source") / "shop"
    shutil.copytree(CHECKOUT / "examples" / "shop", source)
    config = source / "shop" / "use_case.yaml"
    config.write_text(config.read_text().replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}"))
    uv = shutil.which("uv") or str(CHECKOUT / ".uv" / "bin" / "uv")
    target = stack.root / INSTALLED
    # What it depends on is here already. Nothing is downloaded: uv brings the package's build backend.
    command = [uv, "pip", "install", "--offline", "--no-deps", "--python", sys.executable, "--target", str(target)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    yield target / "shop"
    for path in target.glob("shop*"):
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def site(installed: Path, stack: Stack, port: int) -> Iterator[httpx.Client]:
    """The shop's site, started as its README says, which asks this stack's service what to recommend."""
    command = [sys.executable, "-m", "shop.site", "--port", str(port), "--service", stack.record.serving_url]
    env = {**stack.env, "PYTHONPATH": os.pathsep.join([str(installed.parent), str(CHECKOUT)])}
    with (
        subprocess.Popen(command, cwd=stack.root, env=env) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        _until(lambda: process.poll() is not None or _answers(client), "the site answers")
        yield client
        process.terminate()


@pytest.fixture(scope="module")
def prefect(stack: Stack, site: httpx.Client) -> Iterator[PrefectRuns]:
    """Prefect, which was told of the installed package; it forgets it before the site closes."""
    deployed = stack.sluice("deploy")
    assert "pipeline/shop" in deployed.stdout, deployed.stdout
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        yield prefect
        for name in prefect.deployments():
            if name.endswith("/shop"):
                prefect.request("DELETE", f"/deployments/{prefect.request('GET', f'/deployments/name/{name}')['id']}")
        _until(lambda: not any(run.use_case == "shop" for run in prefect.under_way()), "the shop's runs end")


@pytest.fixture(scope="module")
def champion(stack: Stack, prefect: PrefectRuns) -> str:
    """The version that one run of ``pipeline/shop`` made champion."""
    # The stages in one process: to start each in its own takes longer than all the work, and is tested elsewhere.
    ended = runs.wait(stack, prefect.start("pipeline/shop", {"inline": True}).id)
    assert ended.completed, ended.message
    found = open_registry(stack.settings).find("shop", alias="champion")
    assert found is not None, runs.log(stack, ended.id)
    return found.version


def _until(reached: Callable[[], Any], what: str, timeout: float = 240) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := reached()):
        assert time.monotonic() < deadline, f"it did not come to this in {timeout:.0f} s: {what}"
        time.sleep(0.3)
    return found


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/robots.txt").is_success
    except httpx.TransportError:
        return False


def _served(stack: Stack, champion: str) -> httpx.Response:
    """What the service recommends to a customer, once it has taken the champion up by itself."""
    url = f"{stack.record.serving_url}/recommendations/7"

    def ask() -> httpx.Response | None:
        answer = httpx.get(url, params={"model": "shop", "k": 5}, trust_env=False, timeout=30)
        return answer if answer.is_success and answer.json()["version"] == champion else None

    return _until(ask, "the champion is served")


def test_customers_get_products_over_http(stack: Stack, champion: str) -> None:
    """The champion answers both ways of asking, with products of the catalogue that the customer has not bought."""
    recommended = _served(stack, champion).json()
    assert recommended["known"] is True
    assert len(recommended["items"]) == 5
    assert all("& Co." in item["title"] for item in recommended["items"])
    answer = httpx.post(
        f"{stack.record.serving_url}/invocations?model=shop",
        json={"dataframe_records": [{"user_id": 7}], "params": {"k": 5}},
        trust_env=False,
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    items = [item["item_id"] for item in recommended["items"]]
    assert answer.json()["predictions"][0]["item_ids"] == items
    lake = Lake.from_settings(stack.settings)
    orders = lake.dataset(lake.latest_or_raise("raw/shop")).read().filter(kind="order", user_id=7)
    bought = set(orders.filter(pl.col("failed").is_null())["item_id"])
    assert bought
    assert not bought & set(items)


def test_failed_transactions_and_revenue_are_metrics_of_the_model(stack: Stack, champion: str) -> None:
    """They are on the champion's MLflow run, with the reasons as a file of it."""
    found = open_registry(stack.settings).find("shop", version=champion)
    assert found is not None
    client = mlflow.MlflowClient(tracking_uri=stack.settings.mlflow.uri)
    measured = client.get_run(found.run_id).data.metrics
    assert measured["failed_transactions"] > 0
    assert measured["revenue_per_recommendation"] > 0
    assert "evaluation/failed_transactions.json" in {
        file.path for file in client.list_artifacts(found.run_id, "evaluation")
    }


def test_the_champion_earns_more_than_bestsellers(
    stack: Stack, site: httpx.Client, prefect: PrefectRuns, champion: str
) -> None:
    """The shop shows what the service recommends, and its own metrics tell that customers pay more for it.

    It tells the service what came of each recommendation: the flow monitor finds the same revenue in that feedback.
    """
    _served(stack, champion)
    for _ in range(5):
        site.post("/days").raise_for_status()
    samples = {
        (sample.name, sample.labels["by"]): sample.value
        for family in text_string_to_metric_families(site.get("/metrics").text)
        for sample in family.samples
        if "by" in sample.labels
    }
    earned = {
        by: samples["shop_recommendation_revenue_euros_total", by] / samples["shop_recommendations_shown_total", by]
        for by in ("service", "bestsellers")
    }
    assert earned["service"] > 1.3 * earned["bestsellers"]
    paid = samples["shop_recommendation_revenue_euros_total", "service"]
    documents = open_documents(stack.settings)

    def told() -> bool:
        return sum(one["outcome"]["paid"] for one in documents.find("shop_feedback")) == pytest.approx(paid)

    _until(told, "the service has joined what the shop told it")
    ended = runs.wait(stack, prefect.start("monitor/shop", {}).id)
    assert ended.completed, ended.message
    found = FindingsStore(documents, "shop").latest()
    documents.close()
    assert found is not None
    assert found.uptake is not None
    assert 0 < found.uptake.acceptance < 1
    assert found.uptake.revenue == pytest.approx(paid / found.uptake.samples)


def _prices(site: httpx.Client) -> dict[str, str]:
    pages = [Selector(site.get(f"/catalogue/{number}").text) for number in range(1, 5)]
    products = [product for page in pages for product in page.css("li.product")]
    return {product.attrib["data-sku"]: product.css(".price::text").get("").removesuffix(" €") for product in products}


def test_a_new_price_comes_with_the_next_scheduled_scrape(
    stack: Stack, site: httpx.Client, prefect: PrefectRuns, champion: str
) -> None:
    """Nobody starts anything: the schedule of use_case.yaml makes a run, and a version of the raw table has the price.

    The version before it still has the old one. Only the hour between two times is cut short here.
    """
    ingest = prefect.request("GET", "/deployments/name/ingest/shop")
    hourly = ingest["schedules"][0]
    assert hourly["schedule"]["interval"] == 3600
    assert hourly["parameters"]["schedule"] == {"interval": 3600, "expires": 1800}
    lake = Lake.from_settings(stack.settings)
    before = lake.latest_or_raise("raw/shop")
    old = _prices(site)
    while not (changed := {sku: price for sku, price in _prices(site).items() if old.get(sku, price) != price}):
        site.post("/days").raise_for_status()

    often = {
        "active": True,
        "schedule": {**hourly["schedule"], "interval": EVERY},
        "parameters": {"schedule": {**hourly["parameters"]["schedule"], "interval": EVERY}},
    }
    prefect.request("PATCH", f"/deployments/{ingest['id']}", {"schedules": [often]})
    _until(lambda: lake.latest_or_raise("raw/shop").version > before.version, "a scheduled ingest wrote a version")

    def offered(version: TableRef) -> dict[str, float]:
        offers = lake.dataset(version).read().filter(kind="offer").sort("at")
        return dict(offers.select("item_id", "price").iter_rows())

    sku, price = next(iter(changed.items()))
    assert offered(before)[sku] != float(price)
    assert offered(lake.latest_or_raise("raw/shop"))[sku] == float(price)
    _until(lambda: any(run.auto_scheduled and run.completed for run in prefect.runs_of(ingest["id"])), "it completes")
