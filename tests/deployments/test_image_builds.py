"""The images as somebody makes and runs them: built by podman, read-only, without rights, against a real stack."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sluice.mlflow_registry import MlflowRegistry
from tests.conftest import Stack
from tests.deployments.podman import CONTAINED, FLOWS, PREFIX, ROOT, SERVING, VERSION, Podman, missing, options
from tests.docs.pages import blocks
from tests.serving.fakes import eventually
from tests.serving.logged_flavours import rows_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.rare,
    pytest.mark.skipif(bool(missing()), reason=f"not installed here: {', '.join(missing())}"),
]
HOME = "--tmpfs=/var/lib/sluice:mode=1777"
FIND = "import importlib.util as u, sys; print(*[name for name in sys.argv[1:] if u.find_spec(name)])"


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    return Podman(tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="session")
def made(podman: Podman) -> str:
    """What `make images` said."""
    return podman.make("images")


@pytest.mark.timeout(2400)
def test_they_are_within_their_bounds(made: str) -> None:
    """`make images` tells their sizes, and would have failed above."""
    told = re.findall(r"^(\S+)\s+(\d+) MB on the disk, of (\d+); (\d+) MB to fetch$", made, re.MULTILINE)
    assert [image for image, *_ in told] == [SERVING, FLOWS]
    assert [int(allowed) for _, _, allowed, _ in told] == [700, 2000]
    assert all(int(fetched) < int(unpacked) <= int(allowed) for _, unpacked, allowed, fetched in told)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("image", [SERVING, FLOWS])
def test_nothing_of_it_can_be_written_and_nobody_is_root(podman: Podman, image: str) -> None:
    """Neither its own programs nor its home, unless a volume is there."""
    code = (
        "import os; print(os.getuid(), os.getgid()); places = ('/', '/etc', '/opt/sluice', '/opt/sluice/bin/python'); "
        "print(*[place for place in places if os.access(place, os.W_OK)])"
    )
    assert podman.run(image, "python", "-c", code).split() == ["10001", "10001"]
    labels = podman.image(image)["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])


@pytest.mark.usefixtures("made")
def test_each_has_what_it_is_for_and_not_the_others(podman: Podman) -> None:
    engines = ("prefect", "dask", "distributed", "fastapi_offline", "mlflow", "jax", "pytest")
    assert podman.run(SERVING, "python", "-c", FIND, *engines).split() == ["fastapi_offline", "mlflow"]
    assert podman.run(FLOWS, "python", "-c", FIND, *engines).split() == ["prefect", "dask", "distributed", "mlflow"]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("image", [SERVING, FLOWS])
def test_the_bill_of_materials_is_what_is_installed(podman: Podman, image: str) -> None:
    bill = json.loads(podman.run(image, "cat", "/opt/sluice/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    code = "from importlib.metadata import distributions as d; print(len({one.name.lower() for one in d()}) - 1)"
    assert len(bill["components"]) == int(podman.run(image, "python", "-I", "-c", code))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("image", [SERVING, FLOWS])
def test_it_is_compiled(podman: Podman, image: str) -> None:
    """A container that can write nothing would compile every module anew at each start."""
    code = "import os, sluice.settings as s; print(os.path.exists(s.__spec__.cached))"
    assert podman.run(image, "python", "-c", code) == "True\n"


@pytest.mark.usefixtures("made")
def test_the_command_line_answers(podman: Podman) -> None:
    assert podman.run(FLOWS, "sluice", "--version", options=[HOME]).strip() == VERSION
    assert '"movies"' in podman.run(FLOWS, "sluice", "use-cases", "--json", options=[HOME])


THREE_LINES = next(
    block.text for block in blocks(ROOT / "docs" / "images.md") if block.language == "dockerfile" and block.title
)


@pytest.mark.usefixtures("made")
@pytest.mark.timeout(900)
def test_a_use_case_gets_in_by_the_three_lines_of_the_page(podman: Podman) -> None:
    """With the example shop in place of the page's flats; its flows are found by their entry point."""
    text = THREE_LINES.replace(f"sluice-flows:{VERSION}", FLOWS).replace("flats", "shop")
    assert len(text.split("\n")) == 4
    podman.build(text, ROOT / "examples", f"{PREFIX}flows-shop")
    code = "from sluice.use_case import discover; print(*sorted(discover()))"
    assert podman.run(f"{PREFIX}flows-shop", "python", "-c", code, options=[HOME]).split() == [
        "diabetes",
        "movies",
        "shop",
    ]


@pytest.mark.usefixtures("made")
@pytest.mark.timeout(900)
def test_a_use_case_cannot_change_the_locks_versions(podman: Podman, tmp_path: Path) -> None:
    """The build says so, not the run at night; and nothing of the platform can be replaced by its user."""
    said = podman.build(f"FROM {FLOWS}\nRUN uv pip install 'numpy<2'\n", tmp_path, f"{PREFIX}none", check=False)
    assert "numpy" in said
    assert "No solution" in said or "unsatisfiable" in said
    said = podman.build(f"FROM {FLOWS}\nRUN rm -rf /opt/sluice/observability\n", tmp_path, f"{PREFIX}none", check=False)
    assert "Operation not permitted" in said or "Permission denied" in said


def readable(home: Path) -> None:
    """What the stack of the session keeps to its owner, the container's user is to read and write."""
    subprocess.run(["chmod", "-R", "a+rwX", str(home)], check=True)


def elsewhere(stack: Stack) -> dict[str, str]:
    """Where that stack is."""
    settings = stack.settings
    return {
        "SLUICE_PREFECT__URL": settings.prefect.url,
        "SLUICE_MLFLOW__URI": settings.mlflow.uri,
        "SLUICE_DASK__ADDRESS": settings.dask.address,
        "SLUICE_DASK__DASHBOARD": settings.dask_dashboard,
        "SLUICE_DOCUMENTS__URI": "",
    }


@pytest.fixture(scope="module")
def champion(podman: Podman, made: str, stack: Stack) -> str:
    """The version of movies that the flows image made champion in the stack's registry."""
    mlflow_home = stack.settings.home / "mlflow"
    readable(mlflow_home)
    # A home of its own, and no scheduler: what stages pass to each other, and Dask's workers, are in the container.
    given = {**elsewhere(stack), "SLUICE_DASK__ADDRESS": ""}
    code = "from flows.pipeline import pipeline; pipeline('movies', inline=True)"
    command = ("python", "-m", "deployments.member", "cli", "python", "-c", code)
    podman.run(FLOWS, *command, options=options(given, HOME, f"--volume={mlflow_home}:{mlflow_home}"), timeout=900)
    readable(mlflow_home)
    return MlflowRegistry(stack.settings.mlflow.uri, stack.root / "cache").get("movies", alias="champion").version


@pytest.mark.integration
@pytest.mark.timeout(2400)
def test_the_flows_image_runs_the_pipeline(champion: str) -> None:
    """All stages of movies against the stack's Prefect and MLflow, on Dask's workers in the container."""
    assert champion == "1"


@pytest.fixture(scope="module")
def serving(podman: Podman, made: str, stack: Stack) -> Iterator[httpx.Client]:
    """The serving image beside the stack, with the folder of its artifacts, and an address of this machine only."""
    home = stack.settings.home
    readable(home)
    port = stack.settings.serving.port + 1
    given = {**elsewhere(stack), "SLUICE_SERVING__HOST": "127.0.0.1", "SLUICE_SERVING__PORT": str(port)}
    more = (HOME, f"--volume={home}/mlflow:{home}/mlflow:ro", "--name=sluice-test-serving", "--detach")
    podman("rm", "--force", "--ignore", "sluice-test-serving")
    podman("run", *CONTAINED, *options(given, *more), SERVING)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        deadline = time.monotonic() + 90
        while True:
            try:
                if client.get("/livez").is_success:
                    break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, podman("logs", "sluice-test-serving")
                time.sleep(0.5)
        yield client
    podman("stop", "--time=30", "sluice-test-serving")
    podman("rm", "--force", "--ignore", "sluice-test-serving")


@pytest.mark.integration
@pytest.mark.timeout(2400)
def test_the_serving_image_serves_the_champion(champion: str, serving: httpx.Client) -> None:
    """Read-only, without rights, as user 10001: a model that was trained outside of it, with none of its code."""
    answer = serving.get("/recommendations/1", params={"k": 3})
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == champion
    assert len(answer.json()["items"]) == 3


@pytest.mark.integration
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("name", "how"), [("classifier", "compiled"), ("pipeline", "")])
def test_the_serving_image_answers_for_a_model_of_scikit_learn(
    stack: Stack, serving: httpx.Client, name: str, how: str
) -> None:
    """Logged with plain MLflow; a forest is compiled to ONNX in the image, a pipeline with text answers as it is."""
    artifacts = stack.settings.home / "mlflow" / name
    code = "from tests.serving.logged_flavours import *; register(*sys.argv[1:3], Path(sys.argv[3]))"
    command = [sys.executable, "-c", f"import sys; {code}", name, stack.settings.mlflow.uri, str(artifacts)]
    subprocess.run(command, cwd=ROOT, env=dict(stack.env), check=True, timeout=120)
    readable(artifacts)
    rows = rows_for(name)[:3]
    answers = [
        serving.post("/invocations", params={"model": name}, content=content, headers={"content-type": kind})
        for kind, content in (
            ("application/json", json.dumps({"dataframe_split": rows.to_dict("split", index=False)})),
            ("text/csv", rows.to_csv(index=False)),
            ("application/vnd.apache.parquet", rows.to_parquet(None)),
        )
    ]
    assert [one.status_code for one in answers] == [200] * 3, [one.text for one in answers]
    assert len({one.text for one in answers}) == 1
    assert len(answers[0].json()["predictions"]) == 3
    eventually(lambda: serving.get(f"/models/{name}").json()["how"].startswith(how), 120)
    again = serving.post("/invocations", params={"model": name}, json={"dataframe_records": rows.to_dict("records")})
    assert again.json() == answers[0].json()
