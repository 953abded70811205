"""score: a table and a registered model -> ``scores/<use case>``, a prediction for every row."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit
from sluice.references import ModelRef, TableRef
from sluice.score_options import ScoreOptions

if TYPE_CHECKING:
    from flows.question import Question
    from flows.scored import Scored

# What of the options is not in an input of its own.
_HOW = {"predict_params", "columns", "keep", "chunk_rows"}


@stage_flow
def score(
    use_case: str,
    table: str | None = None,
    version: int | str | None = None,
    model_version: int | str | None = None,
    predict_params: dict[str, Any] | None = None,
    columns: list[str] | None = None,
    keep: list[str] | None = None,
    output: str | None = None,
    chunk_rows: int | None = None,
) -> StageResult:
    """Predict for every row of a table, on the cluster, into one new version of another.

    The same rows, model and parameters are the same version, and are not scored again. What is not given is as
    ``score:`` in use_case.yaml has it.

    Args:
        table: any of the lake; ``features/<use case>``, if not given.
        version: its number, or a moment (ISO 8601) for the newest one then; the latest, if not given.
        model_version: a number or an alias; the champion, if not given.
        predict_params: of the model's predict, such as k of a recommender.
        columns: what the model reads, in its order, where its signature is a matrix without names.
        keep: columns of the table that stand beside the predictions; the key, or what the model reads of it alone.
        output: the table that is written; ``scores/<use case>``, if not given.
        chunk_rows: of one call of predict.
    """
    plan = begin(
        "score",
        use_case,
        None,
        resolve,
        table=table,
        version=version,
        model_version=model_version,
        predict_params=predict_params,
        columns=columns,
        keep=keep,
        output=output,
        chunk_rows=chunk_rows,
    )
    matched = submit(match, plan)
    scored = submit(predict, plan, matched)
    written = submit(write, plan, matched, scored)
    skipped = finish(matched, scored, written)
    ref, details = written.result()
    return StageResult(stage="score", ref=ref, skipped=skipped, details=details)


def resolve(use_case: str, given: Mapping[str, Any]) -> dict[str, str]:
    import json

    from flows.platform import platform
    from flows.steps import table_input

    options = _options(use_case, given)
    wanted = str(options.model_version)
    found = platform().registry.get(use_case, **{"version" if wanted.isdecimal() else "alias": wanted})
    how = options.model_dump(mode="json", include=_HOW, exclude_defaults=True)
    return {
        "table": table_input(options.table or f"features/{use_case}", options.version),
        "model": str(ModelRef(name=use_case, version=found.version)),
        "run": found.run_id,
        "output": options.output or f"scores/{use_case}",
        **({"options": json.dumps(how, sort_keys=True)} if how else {}),
    }


def _options(use_case: str, given: Mapping[str, Any]) -> ScoreOptions:
    """A run's options over those of use_case.yaml.

    Raises:
        InputInvalidError: naming the option.
    """
    from pydantic import ValidationError

    from sluice.errors import InputInvalidError
    from sluice.explanation import explain
    from sluice.use_case import load_use_case

    usual = load_use_case(use_case).config.score.model_dump(exclude_unset=True)
    try:
        return ScoreOptions.model_validate({**usual, **given})
    except ValidationError as error:
        name, _, problem = explain(error, ScoreOptions).partition(": ")
        raise InputInvalidError(field=name, problem=problem) from None


def _planned(plan: StagePlan) -> tuple[TableRef, ModelRef, ScoreOptions]:
    name, _, version = plan.inputs["model"].rpartition("@")
    options = ScoreOptions.model_validate_json(plan.inputs.get("options", "{}"))
    return TableRef.parse(plan.inputs["table"]), ModelRef(name=name, version=version), options


@stage_task(name="match")
def match(plan: StagePlan) -> "Question":
    """The model against the table: has it the columns, takes it the parameters, does it answer its own example.

    Raises:
        TableUnfitError: naming a column.
        InputInvalidError: naming a parameter.
        ModelSignatureMissingError, ModelExampleFailedError, ModelLoadFailedError: the model is of no use here.
    """
    from flows.match import check_example, check_params, match_table
    from flows.scoring import loaded
    from flows.steps import dataset, load
    from sluice.errors import ModelSignatureMissingError, TableUnfitError

    use_case, _ = load(plan)
    table, ref, options = _planned(plan)
    model = loaded(ref, plan.inputs["run"])
    signature = model.metadata.signature
    if signature is None or signature.inputs is None:
        hint = "Log it with signature= or input_example=, and register it again."
        raise ModelSignatureMissingError(name=str(ref), hint=hint)
    rows = dataset(plan.inputs["table"])
    if not rows.files:
        raise TableUnfitError(table=str(table), model=str(ref), problem="it has no rows")
    question = match_table(signature, rows.schema, use_case.key, options, table, ref)
    check_params(signature, options.predict_params, ref)
    check_example(model, options.predict_params, ref)
    return question


@stage_task(name="predict")
def predict(plan: StagePlan, question: "Question") -> "Scored":
    """Each partition on a worker, which loads the model once; files are written, not committed.

    Raises:
        ScoreFailuresExceededError: the model raised on too many rows.
    """
    from datetime import UTC, datetime

    from flows.heard import heard
    from flows.platform import platform
    from flows.scoring import Job, score_table
    from flows.steps import compute, dataset, load

    use_case, _ = load(plan)
    table, ref, options = _planned(plan)
    output = plan.inputs["output"]
    job = Job(
        table=table,
        model=ref,
        run=plan.inputs["run"],
        params=options.predict_params,
        question=question,
        chunk_rows=options.chunk_rows,
        max_share=use_case.config.quarantine.max_share,
        at=datetime.now(UTC),
    )
    return heard(score_table)(dataset(plan.inputs["table"]), job, platform().lake.staging(output), compute(output))


@stage_task(name="write")
def write(plan: StagePlan, question: "Question", scored: "Scored") -> tuple[TableRef, dict[str, Any]]:
    """Commit the predictions as one version that names the table's and the model's, and tell how they are spread."""
    from flows.artifacts import publish_scores
    from flows.platform import platform
    from flows.spread import spread

    failed, rows = sum(scored.reasons.values()), scored.predictions.file_rows
    metadata = {f"sluice.{name}": plan.inputs[name] for name in ("table", "model")} | {"sluice.failed": str(failed)}
    ref = platform().lake.commit(scored.predictions, key=f"score-{plan.key}", mode="overwrite", metadata=metadata)
    details: dict[str, Any] = {
        "rows": rows,
        "failed": failed,
        "seconds": round(scored.seconds, 3),
        "rows_per_second": round(rows / scored.seconds),
        "reasons": scored.reasons,
    }
    publish_scores(plan, ref, spread(scored.predictions, question.keeps), details)
    return ref, details
