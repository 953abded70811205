"""The peer of the overhead benchmark: the same steps as plain functions, one after the other in one process.

Run as a `benchmarks.peer.Peer`: it answers ``use_case`` and ``params`` with ``{stage: {part: seconds}}``.

The parts do what the tasks of the stages do: the same lake, registry and promotion history, the same validation, and
`InProcessCompute` in place of Dask. Artifacts for Prefect's UI, plans and cached results have no counterpart here.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.peer import serve
from flows.plan import StagePlan, make_plan
from flows.platform import platform
from flows.validation import PROFILE, check, judge, summary
from sluice.arrival import take_in
from sluice.compute import InProcessCompute
from sluice.dataset import Dataset
from sluice.gate import decide
from sluice.lake import Lake
from sluice.sources import open_source
from sluice.use_case import UseCase, load_use_case

Timings = dict[str, dict[str, float]]


class Plain:
    """One run of a use case's steps, timed part by part."""

    def __init__(self, use_case: UseCase, params: dict[str, Any]) -> None:
        self._use_case, self._name, self._steps = use_case, use_case.name, use_case.steps
        self._model = f"{use_case.name}_plain"  # the deployed pipeline registers its models in the same MLflow
        self._params: Any = use_case.params(params)
        self._key = f"{time.time_ns():x}"
        self._lake = platform().lake
        self.timings: Timings = {}

    def run(self) -> Timings:
        self._ingest()
        features = self._features()
        version = self._train(features)
        self._evaluate(features, version)
        return self.timings

    @contextmanager
    def _part(self, stage: str, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.timings.setdefault(stage, {})[name] = time.perf_counter() - begun

    def _compute(self, table: str) -> InProcessCompute:
        return InProcessCompute(self._lake.staging(f"{table}/{self._name}"))

    def _ingest(self) -> None:
        plan: StagePlan = make_plan("ingest", self._name, self._params.model_dump(), {})
        staging = self._lake.staging(f"raw/{self._name}")
        with self._part("ingest", "read"):
            source = open_source(self._use_case.config.source)
            batches = self._steps.ingest(source, self._params, self._lake.watermark(staging.table))
            arrived = take_in(batches, source, staging, self._lake.staging(f"quarantine/{self._name}"), plan.key)
        with self._part("ingest", "validate"):
            checked = check(plan, self._use_case, arrived, self._compute("raw"))
        with self._part("ingest", "quarantine"):
            if checked.refused.files:
                self._lake.commit(checked.refused, key=self._key)
            counts = summary(self._use_case, checked)
        with self._part("ingest", "compare"):
            new = checked.profile.model_copy(update={"arrived": counts["new"] + counts["known"]})
            judge(self._use_case, new)
        with self._part("ingest", "write"):
            metadata = checked.metadata | {PROFILE: new.model_dump_json()}
            self._lake.commit(checked.accepted, key=self._key, metadata=metadata)

    def _features(self) -> Dataset:
        with self._part("features", "build"):
            raw = self._lake.dataset(self._lake.latest_or_raise(f"raw/{self._name}"))
            built = self._steps.build_features(raw, self._params, self._compute("features"))
        with self._part("features", "write"):
            return self._lake.dataset(self._lake.commit(built, key=self._key, mode="overwrite"))

    def _train(self, features: Dataset) -> str:
        with self._part("train", "split"):
            train, _ = self._steps.split(features, self._params)
        with self._part("train", "search"):
            chosen = self._params
            if hasattr(self._steps, "search"):
                chosen = self._steps.search(train, self._params, self._compute("models"))
        with self._part("train", "fit"):
            model = self._steps.train(train, chosen, self._compute("models"))
        with self._part("train", "log"):
            registered = platform().registry.register(
                model,
                name=self._model,
                example=self._steps.example(train, chosen),
                key=self._key,
                params=chosen.model_dump(mode="json"),
            )
        return registered.version

    def _evaluate(self, features: Dataset, version: str) -> None:
        registry = platform().registry
        champion = registry.find(self._model, alias="champion")
        train, holdout = self._steps.split(features, self._params)
        with self._part("evaluate", "challenger"):
            scores = self._steps.evaluate(registry.load(self._model, version), holdout, self._params)
            registry.log_metrics(registry.get(self._model, version=version), scores)
        before = None
        with self._part("evaluate", "champion"):
            if champion is not None:
                before = self._steps.evaluate(registry.load(self._model, champion.version), holdout, self._params)
        with self._part("evaluate", "baseline"):
            if hasattr(self._steps, "baseline"):
                baseline = self._steps.baseline(train, self._params, self._compute("models"))
                self._steps.evaluate(baseline, holdout, self._params)
        with self._part("evaluate", "gate"):
            verdict = decide(self._use_case.config.promote_if, scores, before)
            if verdict.passed:
                platform().promotions.promote(
                    self._model, version, by="benchmark", reason="", metrics=scores, champion_metrics=before or {}
                )


def empty(lake: Lake, use_case: str) -> None:
    """Remove a use case's tables: a run that finds its rows in the lake already does less."""
    for table in ("raw", "quarantine", "features", "models"):
        shutil.rmtree(f"{lake.uri}/{table}/{use_case}", ignore_errors=True)


def run(use_case: str, params: dict[str, Any]) -> Timings:
    loaded = load_use_case(use_case)
    empty(platform().lake, use_case)
    return Plain(loaded, params).run()


if __name__ == "__main__":
    serve(run)
