"""The manifests of serving and MLflow as the chart renders them, played by podman: no cluster, the same containers."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deployments.podman import FLOWS, SERVING, Podman, missing
from tests.helm.chart import RELEASE, Object, render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.rare,
    pytest.mark.skipif(bool(missing()), reason=f"not installed here: {', '.join(missing())}"),
    pytest.mark.timeout(2400),
]
NAMESPACE = "sluice-test-play"
WITHIN = ("nsenter", f"--net=/run/netns/{NAMESPACE}")
# There is no PostgreSQL and no MongoDB: MLflow keeps its tables in its own home, serving its documents.
STORES = {
    "postgresql": {"mlflow-uri": "sqlite:////home/sluice/mlflow.db", "mlflow-users-uri": "sqlite:////home/sluice/u.db"},
    "mongodb": {"uri": ""},
}
# A champion that none of our code has trained, where the chart's pods look for it.
TRAIN = """
import mlflow, numpy, pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
rows = pandas.DataFrame({"x": numpy.linspace(-1, 1, 40)})
model = LogisticRegression().fit(rows, rows["x"] > 0)
with mlflow.start_run():
    logged = mlflow.sklearn.log_model(model, name="model", registered_model_name="sign",
        signature=infer_signature(rows, model.predict(rows)), pip_requirements=[], serialization_format="cloudpickle")
mlflow.MlflowClient().set_registered_model_alias("sign", "champion", logged.registered_model_version)
"""


def playable(one: Object) -> Object:
    """Without what podman 4 does not know: names of ports, a pod's own address."""
    (container,) = one["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container.pop("ports")}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        container[probe]["httpGet"]["port"] = ports[container[probe]["httpGet"]["port"]]
    for variable in container["env"]:
        if "status.podIP" in str(variable):
            del variable["valueFrom"]
            variable["value"] = "127.0.0.1"
    return one


class Played:
    """Args:
    podman: in a network namespace of its own, where the ports of the chart are free and nobody else asks.
    """

    def __init__(self, podman: Podman, folder: Path) -> None:
        self.podman, self.manifest = podman, folder / "play.yaml"
        release = render("dev", {"images": {name: _image(of) for name, of in (("flows", FLOWS), ("serving", SERVING))}})
        self.secrets = {name: dict(release.one("Secret", name)["data"]) for name in ("secrets", *STORES)}
        for name, given in STORES.items():
            self.secrets[name] |= {key: base64.b64encode(uri.encode()).decode() for key, uri in given.items()}
        settings = release.one("ConfigMap", "settings")
        # All are in one network here, where no service has a name.
        settings["data"] = {
            name: uri.replace(f"{RELEASE}-mlflow:", "127.0.0.1:") for name, uri in settings["data"].items()
        }
        objects = [settings, release.one("ConfigMap", "logging")]
        objects += [release.one("PersistentVolumeClaim", "data")]
        objects += [playable(release.one("Deployment", name)) for name in ("mlflow", "serving")]
        self.manifest.write_text(yaml.safe_dump_all(objects), encoding="utf-8")

    def secret(self, name: str, key: str) -> str:
        return base64.b64decode(self.secrets[name][key]).decode()

    def play(self) -> None:
        for name, data in self.secrets.items():
            path = self.manifest.with_name(f"{name}.json")
            path.write_text(json.dumps(data))
            self.podman("secret", "create", f"{RELEASE}-{name}", str(path))
        self.podman("kube", "play", "--network=host", str(self.manifest))

    def remove(self) -> None:
        self.podman("pod", "rm", "--force", "--ignore", f"{RELEASE}-mlflow-pod-0", f"{RELEASE}-serving-pod-0")
        for name in self.secrets:
            self.podman("secret", "rm", f"{RELEASE}-{name}", check=False)
        volumes = [f"{RELEASE}-{name}" for name in ("data", "settings", "logging")]
        self.podman("volume", "rm", "--force", *volumes, "home", "tmp", check=False)

    def ask(self, address: str, *options: str) -> str:
        """curl's answer, from within the namespace."""
        command = [*WITHIN, "curl", "--silent", "--show-error", "--max-time", "20"]
        done = subprocess.run([*command, *options, address], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout or done.stderr

    def until(self, address: str, wanted: str, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while wanted not in (said := self.ask(address)):
            assert time.monotonic() < deadline, f"{address}: {said}\n{self.podman('ps', '--all')}"
            time.sleep(1)


def _image(name: str) -> Object:
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag}


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    subprocess.run([*WITHIN, "ip", "link", "set", "lo", "up"], check=True)
    Podman(tmp_path).make("images")
    found = Played(Podman(tmp_path, within=WITHIN), tmp_path)
    try:
        found.remove()
        found.play()
        yield found
    finally:
        found.remove()
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def test_serving_and_mlflow_answer(played: Played) -> None:
    """With the chart's accounts, its read-only roots and its claim: the champion of one is served by the other."""
    played.until("http://127.0.0.1:5000/health", "OK")
    played.until("http://127.0.0.1:8000/livez", "alive")
    assert "401" in played.ask("http://127.0.0.1:5000/", "--head")
    account = {
        f"MLFLOW_TRACKING_{key.upper()}": played.secret("secrets", f"mlflow-{key}") for key in ("username", "password")
    }
    given = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000", "HOME": "/tmp", **account}
    env = [f"--env={name}={value}" for name, value in given.items()]
    played.podman(
        "run",
        "--rm",
        "--network=host",
        f"--volume={RELEASE}-data:/data",
        "--user=10001",
        *env,
        FLOWS,
        "python",
        "-c",
        TRAIN,
    )

    asked = ("--header", "Content-Type: application/json", "--data", '{"dataframe_records": [{"x": 0.9}, {"x": -0.9}]}')
    address = "http://127.0.0.1:8000/invocations?model=sign"
    assert "401" in played.ask(address, *asked, "--include")
    key = ("--header", f"Authorization: Bearer {played.secret('secrets', 'serving-bootstrap-key')}")
    answer = played.ask(address, *asked, *key)
    assert json.loads(answer).get("predictions") == [True, False], answer
