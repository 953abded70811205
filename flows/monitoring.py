"""What the flow ``monitor`` does on a worker: reads, and compares."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from loguru import logger

from flows.platform import platform
from flows.scoring import loaded
from sluice import live_quality, logged_predictions
from sluice.errors import SluiceError, TableNotFoundError, VersionNotFoundError
from sluice.logged_predictions import Logged, series
from sluice.models import CHALLENGER
from sluice.monitor_findings import PREDICTION, Drift, Drifted, Findings, Quality, Uptake
from sluice.monitor_options import Monitor
from sluice.recommenders.model import RecommenderModel
from sluice.references import ModelRef, TableRef
from sluice.stability import compare
from sluice.use_case import UseCase

CHAMPION = "champion"
# Rows of the training data, and questions to the model, that stand for all of them: beyond these a share moves by
# less than a hundredth.
REFERENCE_ROWS = 100_000
ASKED_ROWS = 2_000
_MOST_OUTCOMES = 50_000
_LONGEST_LIST = 10  # recommended items of a user of the reference; the usual k


def findings(use_case: UseCase, champion: str | None, run: str, now: datetime) -> Findings:
    """Of the champion, such as ``movies@3``; with a note for each thing that cannot be compared."""
    options = use_case.config.monitor
    if champion is None:
        notes = (f"{use_case.name} has no champion yet",)
        return Findings(at=now, use_case=use_case.name, drift=Drift(threshold=options.drift_warn), notes=notes)
    name, _, version = champion.rpartition("@")
    ref = ModelRef(name=name, version=version)
    looking = _Looking(use_case, ref, run, now - timedelta(hours=options.window_hours))
    drift = looking.drift()
    quality, uptake = looking.quality()
    return Findings(
        at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        use_case=use_case.name,
        champion=version,
        drift=drift,
        quality=quality,
        floors={str(measure): floor for measure, floor in options.live_quality.items()},
        lead=_lead(quality),
        uptake=uptake,
        notes=tuple(looking.notes),
    )


class _Looking:
    def __init__(self, use_case: UseCase, ref: ModelRef, run: str, since: datetime) -> None:
        self._name, self._ref, self._run, self._since = use_case.name, ref, run, since
        self._options: Monitor = use_case.config.monitor
        self._recommends = False
        self.notes: list[str] = []

    def drift(self) -> Drift:
        options = self._options
        logged = logged_predictions.read(platform().documents, self._name, self._ref.version, self._since)
        table = self._trained_on()
        told = Drift(reference=str(table) if table else None, samples=logged.rows, threshold=options.drift_warn)
        model = self._model()
        raw = None if model is None else _unwrapped(model)
        self._recommends = isinstance(raw, RecommenderModel)
        if logged.rows < options.min_samples:
            self.notes.append(
                f"drift: {logged.rows} rows were predicted for by {self._ref} since {self._since:%Y-%m-%d %H:%M}, "
                f"{options.min_samples} are wanted (monitor.min_samples)"
            )
            return told
        if isinstance(raw, RecommenderModel):
            scores = dict(_of_recommender(raw, logged))
        else:
            scores = dict(self._of_table(table, logged, model))
        columns = sorted((score, name) for name, score in scores.items() if name != PREDICTION)
        worst = [Drifted(feature=name, score=score) for score, name in reversed(columns)][: options.top_features]
        own = [Drifted(feature=PREDICTION, score=scores[PREDICTION])] if PREDICTION in scores else []
        return told.model_copy(update={"features": (*worst, *own)})

    def quality(self) -> tuple[tuple[Quality, ...], Uptake | None]:
        """Of each alias whose version answered something that feedback tells of."""
        found: list[Quality] = []
        taken_up: Uptake | None = None
        challenger = platform().registry.find(self._name, alias=CHALLENGER)
        versions = {CHAMPION: self._ref.version}
        if challenger is not None and challenger.version != self._ref.version:
            versions[CHALLENGER] = challenger.version
        for alias, version in versions.items():
            feedback = self._feedback(version)
            enough = len(feedback) >= self._options.min_feedback
            metrics: dict[str, float] = {}
            if enough and self._recommends:
                uptake = live_quality.uptake(feedback, self._options.outcome)
                metrics = {} if uptake is None else {"acceptance": uptake.acceptance}
                taken_up = uptake if alias == CHAMPION else taken_up
            elif enough:
                metrics = live_quality.measure(feedback, self._options.outcome)
            else:
                wanted = f"{self._options.min_feedback} are wanted (monitor.min_feedback)"
                self.notes.append(f"live quality: {len(feedback)} outcomes of the {alias}, {version}; {wanted}")
            if enough and not metrics:
                self.notes.append(
                    f"live quality: outcomes and answers of the {alias}, {version}, are neither labels nor numbers "
                    "that can be compared; monitor.outcome says which key of an outcome is meant"
                )
            found.append(Quality(alias=alias, version=version, samples=len(feedback), metrics=metrics))
        return tuple(found), taken_up

    def _feedback(self, version: str) -> list[dict[str, Any]]:
        collection = f"{self._name}_feedback"
        platform().documents.index(collection, ["version", "at"])
        return platform().documents.find(
            collection,
            {"version": version, "at": {"$gte": self._since}},
            sort=[("at", -1)],
            limit=_MOST_OUTCOMES,
            fields=["outcome", "output"],
        )

    def _trained_on(self) -> TableRef | None:
        """The features table that the champion's MLflow run links."""
        registry = platform().registry
        version = registry.get(self._name, version=self._ref.version)
        run = registry.runs([version]).get(version.run_id)
        for one in run.inputs if run else ():
            if one.version is not None and one.table.startswith("features/"):
                return TableRef(table=one.table, version=one.version)
        return None

    def _model(self) -> Any:
        """The champion, or None with a note: drift of what it is asked can be told without it."""
        try:
            return loaded(self._ref, self._run)
        except SluiceError as error:
            if error.status == 503:
                raise
            self.notes.append(f"prediction: the model cannot be loaded here: {error}")
            return None

    def _of_table(self, table: TableRef | None, logged: Logged, model: Any) -> Iterator[tuple[str, float]]:
        try:
            dataset = platform().lake.dataset(table) if table else None
        except (TableNotFoundError, VersionNotFoundError) as error:
            self.notes.append(f"drift: {error}")
            return
        if dataset is None:
            self.notes.append(f"drift: the MLflow run of {self._ref} links no features table")
            return
        common = [name for name in logged.features if name in dataset.schema]
        for name in sorted(logged.features.keys() - set(common)):
            self.notes.append(f"drift: {table} has no column {name}")
        step = max(1, dataset.file_rows // REFERENCE_ROWS)
        reference = dataset.scan().select(common).gather_every(step).collect(engine="streaming") if common else None
        if reference is None:
            return
        for name in common:
            live = series(name, logged.features[name])
            score = None if live is None else compare(reference[name], live)
            if score is None:
                self.notes.append(f"drift: the values of {name} cannot be put into bins")
            else:
                yield name, score
        yield from self._of_answers(reference, logged, model)

    def _of_answers(self, reference: pl.DataFrame, logged: Logged, model: Any) -> Iterator[tuple[str, float]]:
        """Against the same model's answers for its training data: of what it was fitted on, and of nothing else."""
        live = series(PREDICTION, logged.answers)
        if model is None or live is None or not len(live):
            return
        wanted = model.metadata.get_input_schema()
        names = wanted.input_names() if wanted is not None and wanted.has_input_names() else reference.columns
        try:
            asked = reference.select(names).drop_nulls().gather_every(max(1, len(reference) // ASKED_ROWS))
            output = model.predict(asked.to_pandas())
        except Exception as error:  # the model's own, on rows of its own table
            logger.opt(exception=error).info("{} does not answer rows of its training data", self._ref)
            self.notes.append(f"prediction: the model does not answer rows of its training data: {error}"[:300])
            return
        told = output.to_dict("records") if hasattr(output, "to_dict") else np.asarray(output).tolist()
        known = series(PREDICTION, logged_predictions.answers(told, len(asked)))
        score = None if known is None else compare(known, live)
        if score is not None:
            yield PREDICTION, score


def _unwrapped(model: Any) -> Any:
    try:
        return model.unwrap_python_model()
    except Exception:  # MLflow's: it is no Python model
        return None


def _of_recommender(model: RecommenderModel, logged: Logged) -> Iterator[tuple[str, float]]:
    """Each asking user once for how active they are: whoever asks often is not more of a user than others."""
    trained = model.histories.trained
    activity = np.diff(trained.indptr)
    asking = logged.features.get("user_id", [])
    places = [model.histories.find(user) for user in dict.fromkeys(asking) if user is not None]
    known = [place for place in places if place >= 0]
    if places:
        flags = pl.Series(["known" if place >= 0 else "unknown" for place in places])
        score = compare(pl.Series(["known"] * len(activity)), flags)
        if score is not None:
            yield "user_known", score
    if known:
        score = compare(pl.Series(activity), pl.Series(activity[known]))
        if score is not None:
            yield "user_activity", score
    yield from _of_recommended(model, logged)


def _of_recommended(model: RecommenderModel, logged: Logged) -> Iterator[tuple[str, float]]:
    """How popular the recommended items are, against what the same model recommends to its own users."""
    shown = [item for output in logged.outputs for item in logged_predictions.items(output)]
    users = model.histories.users[:: max(1, len(model.histories.users) // ASKED_ROWS)].tolist()
    usual = [item for user in users for item in model.recommend_one(user, _LONGEST_LIST).item_ids]
    live, reference = (model.catalogue.support[model.catalogue.find(some)] for some in (shown, usual))
    score = compare(pl.Series(reference), pl.Series(live))
    if score is not None:
        yield PREDICTION, score


def _lead(quality: tuple[Quality, ...]) -> dict[str, float]:
    of = {one.alias: one.metrics for one in quality}
    champion, challenger = of.get(CHAMPION, {}), of.get(CHALLENGER, {})
    return {name: challenger[name] - champion[name] for name in champion if name in challenger}
