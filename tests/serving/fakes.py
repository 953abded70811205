"""Fakes of the ports that serving uses, and tiny real MLflow models for them to hand out."""

import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import PyFuncModel, PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from sluice.errors import InputInvalidError, ModelNotFoundError, ServiceUnavailableError
from sluice.models import ModelRun, ModelVersion

KNOWN_USERS = range(1, 11)


class Recommender(PythonModel):
    """Recommends items 1, 2, 3, …; its titles tell the version that answered."""

    def __init__(self, label: str) -> None:
        self.label = label

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        k = (params or {}).get("k", 10)
        if k < 1:
            raise InputInvalidError(field="k", problem="it must be at least 1")
        items = list(range(1, k + 1))
        rows = [
            {
                "user_id": user,
                "item_ids": items,
                "titles": [f"{self.label} item {item}" for item in items],
                "scores": [1 / item for item in items],
                "known": user in KNOWN_USERS,
            }
            for user in model_input["user_id"]
        ]
        return pd.DataFrame(rows)


class Doubler(PythonModel):
    """Doubles x; raises on negative numbers, and sleeps as many seconds as it is told."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        time.sleep((params or {}).get("sleep", 0.0))
        if (model_input["x"] < 0).any():
            raise RuntimeError("no negative numbers")
        return pd.DataFrame({"y": model_input["x"] * 2, "label": model_input["label"]})


class Halver(PythonModel):
    """Halves x; its answer is a number."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        return (model_input["x"] / 2).to_numpy()


class FailingExample(PythonModel):
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        raise RuntimeError("column 'age' is gone")


class Unloadable(PythonModel):
    def load_context(self, context: Any) -> None:
        raise ImportError("No module named 'lightfm'")

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        return None


USERS = pd.DataFrame({"user_id": [1]})
ROWS = pd.DataFrame({"x": [1.5], "label": ["a"]})
COUNT = ParamSchema([ParamSpec("k", "long", 10)])
SLEEP = ParamSchema([ParamSpec("sleep", "double", 0.0)])
RECOMMENDER = ModelSignature(inputs=Schema([ColSpec("long", "user_id")]), params=COUNT)
DOUBLER = infer_signature(ROWS, params={"sleep": 0.0})


def save(folder: Path, model: PythonModel, signature: ModelSignature | None, example: pd.DataFrame | None) -> Path:
    """Write a model as MLflow does, without the 12 s of inferring its requirements."""
    with warnings.catch_warnings():
        # MLflow advises authors of models here, and uses pandas in a way that pandas 3.1 warns about.
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(folder), python_model=model, signature=signature, input_example=example, pip_requirements=["mlflow"]
        )
    return folder


class FakeRegistry:
    """`sluice.models.ModelRegistry` over folders. ``down`` and ``load_seconds`` make it misbehave.

    ``unreachable`` is a registry that is down, with files that were downloaded before.
    ``numbers`` are the metrics of the runs that there are, by name and version; ``json`` what `read_json` finds.
    """

    def __init__(self) -> None:
        self._folders: dict[tuple[str, str], Path] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        self._tags: dict[tuple[str, str], dict[str, str]] = {}
        self.numbers: dict[tuple[str, str], dict[str, float]] = {}
        self.json: dict[tuple[str, str, str], Any] = {}
        self.down = False
        self.unreachable = False
        self.load_seconds = 0.0
        self.looked_up: list[str] = []
        self.loaded: list[tuple[str, str]] = []
        self.threads: set[int] = set()

    def add(
        self,
        name: str,
        version: str,
        folder: Path,
        alias: str | None = "champion",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._folders[name, version] = folder
        self._tags[name, version] = dict(tags or {})
        if alias:
            self._aliases[name, alias] = version

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self._aliases[name, alias] = version

    def remove(self, name: str, version: str) -> None:
        del self._folders[name, version]

    def delete_alias(self, name: str, alias: str) -> None:
        del self._aliases[name, alias]

    def find(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion | None:
        self._answer()
        if self.unreachable:
            raise ServiceUnavailableError(service="MLflow", address="http://127.0.0.1:5000", hint="Start it.")
        self.looked_up.append(name)
        found = version or self._aliases.get((name, alias or ""))
        if found is None or (name, found) not in self._folders:
            return None
        tags = self._tags[name, found]
        aliases = tuple(
            sorted(one for (model, one), version in self._aliases.items() if (model, version) == (name, found))
        )
        return ModelVersion(
            name=name, version=found, run_id=f"run{found}", aliases=aliases, tags=tags, created_at=datetime.now(UTC)
        )

    def get(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion:
        found = self.find(name, alias=alias, version=version)
        if found is None:
            raise ModelNotFoundError(name=name, wanted=f"version {version}" if version else f"with {alias!r}", hint="")
        return found

    def names(self) -> list[str]:
        return sorted({name for name, _ in self._folders})

    def versions(self, name: str) -> list[ModelVersion]:
        self._answer()
        found = [self.get(name, version=version) for known, version in self._folders if known == name]
        return sorted(found, key=lambda one: int(one.version), reverse=True)

    def runs(self, versions: Sequence[ModelVersion]) -> dict[str, ModelRun]:
        self._answer()
        found = ((one.run_id, self.numbers.get((one.name, one.version))) for one in versions)
        return {
            run_id: ModelRun(run_id=run_id, experiment_id="7", metrics=numbers, params={"depth": "3"})
            for run_id, numbers in found
            if numbers is not None
        }

    def read_json(self, version: ModelVersion, name: str) -> Any:
        self._answer()
        return self.json.get((version.name, version.version, name))

    def files(self, version: ModelVersion) -> Path:
        self._answer()
        self.loaded.append((version.name, version.version))
        time.sleep(self.load_seconds)
        return self._folders[version.name, version.version]

    def load(self, name: str, version: str) -> PyFuncModel:
        model: PyFuncModel = mlflow.pyfunc.load_model(str(self.files(self.get(name, version=version))))
        return model

    def register(self, model: Any, **_: Any) -> ModelVersion:
        raise NotImplementedError

    def log_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None: ...

    def metrics(self, version: ModelVersion) -> dict[str, float]:
        return {}

    def ping(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.threads.add(threading.get_ident())
        if self.down:
            raise ServiceUnavailableError(service="MLflow", address="http://127.0.0.1:5000", hint="Start it.")


class FakeDocuments:
    """The part of `sluice.documents.DocumentStore` that serving uses, in memory."""

    def __init__(self) -> None:
        self.collections: dict[str, list[dict[str, Any]]] = {}
        self.down = False
        self.closed = False

    def insert(self, collection: str, documents: Any) -> int:
        self._answer()
        added = [dict(document) for document in documents]
        self.collections.setdefault(collection, []).extend(added)
        return len(added)

    def update(self, collection: str, filter: Mapping[str, Any], fields: Mapping[str, Any]) -> int:
        self._answer()
        found = [one for one in self.collections.get(collection, []) if filter.items() <= one.items()]
        for one in found:
            one.update(fields)
        return len(found)

    def close(self) -> None:
        self.closed = True

    def _answer(self) -> None:
        if self.down:
            raise ServiceUnavailableError(service="MongoDB", address="mongodb://127.0.0.1", hint="Start it.")


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
