"""Every error Sluice raises on purpose: data in fields, text in ``__str__``.

``status`` is the HTTP status a service answers with; the translation itself lives in one place, `serving.errors`.
"""

from typing import Any, ClassVar


class SluiceError(Exception):
    """Base of all. Keyword arguments become attributes and fill ``template``."""

    status: ClassVar[int] = 500
    template: ClassVar[str] = "Something went wrong."

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields)
        self.fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no field {name!r}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions travel from Dask workers by pickle, which would call __init__ with positional arguments.
        return (_rebuild, (type(self), self.fields))

    def __str__(self) -> str:
        return self.template.format(**self.fields)

    def __repr__(self) -> str:
        # What engines print of an exception must be the sentence, not a dictionary.
        return f"{type(self).__name__}: {self}"


def _rebuild(cls: type[SluiceError], fields: dict[str, Any]) -> SluiceError:
    return cls(**fields)


class SettingsInvalidError(SluiceError):
    """Fields: variable, problem."""

    template = "{variable}: {problem}. Set it in the environment, for example: export {variable}=…"


class UseCaseNotFoundError(SluiceError):
    """Fields: name, known."""

    status = 404
    template = (
        "There is no use case {name!r}. Installed: {known}. A use case is a package registered in the entry-point "
        "group 'sluice.use_cases'; after adding one, install its package."
    )


class UseCaseInvalidError(SluiceError):
    """Fields: path, problem."""

    status = 422
    template = "{path}: {problem}"


class TableNotFoundError(SluiceError):
    """Fields: table, hint."""

    status = 404
    template = "The table {table!r} has no version yet. {hint}"


class VersionNotFoundError(SluiceError):
    """Fields: table, version, known."""

    status = 404
    template = "The table {table!r} has no version {version}. It has {known}."


class TableWriteConflictError(SluiceError):
    """Fields: table, attempts."""

    status = 409
    template = "{table!r} was written by others {attempts} times while this write tried to commit. Run it again."


class DistributionShiftedError(SluiceError):
    """Fields: table, shifts."""

    status = 422
    template = (
        "The new rows for {table!r} are unlike those before: {shifts}. Nothing was written. Look at the source; if the "
        "rows are right, raise the tolerance under checks in use_case.yaml, or set its action to warn."
    )


class TableMovedError(SluiceError):
    """Fields: table, version."""

    status = 409
    template = "{table!r} got version {version} from somebody else meanwhile. Look at its rows again, then write."


class TableSchemaChangedError(SluiceError):
    """Fields: table, changes."""

    status = 409
    template = (
        "{table!r} has other columns than the rows to append ({changes}). Nothing was written. Change the use case's "
        "ingest so that it keeps the columns, or write a new table."
    )


class QuarantineExceededError(SluiceError):
    """Fields: table, quarantined, rows, share, max_share, reasons."""

    status = 422
    template = (
        "{quarantined} of {rows} rows ({share:.2%}) of {table!r} were refused, more than the {max_share:.2%} that "
        "quarantine.max_share in use_case.yaml allows. Reasons: {reasons}. Nothing was written to {table!r}; the "
        "refused rows are in the quarantine table."
    )


class TableUnfitError(SluiceError):
    """Fields: table, model, problem."""

    status = 422
    template = (
        "{model} cannot score {table}: {problem}. Nothing was written. Name another table or version, or keep in the "
        "features what the model reads."
    )


class ScoreFailuresExceededError(SluiceError):
    """Fields: table, model, failed, rows, max_share, reasons."""

    status = 422
    template = (
        "{model} has no prediction for at least {failed} of {rows} rows of {table}, more than the {max_share:.2%} "
        "that quarantine.max_share in use_case.yaml allows. Reasons: {reasons}. Nothing was written; mend the rows or "
        "the model, and score again."
    )


class SourceUnavailableError(SluiceError):
    """Fields: source, problem, hint."""

    status = 503
    template = "The source {source} cannot be read: {problem}. {hint}"


class SourceInvalidError(SluiceError):
    """Fields: source, problem, hint. Another try would fail in the same way."""

    status = 422
    template = "The source {source} cannot be used as it is: {problem}. {hint}"


class ModelNotFoundError(SluiceError):
    """Fields: name, wanted (an alias or version, or ''), hint."""

    status = 404
    template = "There is no model {name!r} {wanted}. {hint}"


class ModelSignatureMissingError(SluiceError):
    """Fields: name, hint."""

    status = 422
    template = "The model {name!r} has no signature, so its inputs cannot be checked. {hint}"


class ModelExampleFailedError(SluiceError):
    """Fields: name, version, problem."""

    status = 422
    template = (
        "{name!r} {version} fails on its own input example: {problem}. It was not put to use. Fix the model's predict "
        "or its example, and train again."
    )


class NotCompiledError(SluiceError):
    """Fields: reason. Never a failure: the model answers in its original form."""

    status = 422
    template = "No compiled form: {reason}."


class DocumentDuplicateError(SluiceError):
    """Fields: collection, key."""

    status = 409
    template = "The collection {collection!r} already has a document with {key}."


class DocumentRefusedError(SluiceError):
    """Fields: collection, problem. Another try with the same document would fail in the same way."""

    status = 422
    template = "The collection {collection!r} cannot hold a document: {problem}"


class ServiceUnavailableError(SluiceError):
    """Fields: service, address, hint."""

    status = 503
    template = "{service} at {address} does not answer. {hint}"


class ServiceRefusedError(SluiceError):
    """Fields: service, address, hint. Not an outage: another try with the same credentials is refused too."""

    template = "{service} at {address} refuses the credentials. {hint}"


class DeploymentNotFoundError(SluiceError):
    """Fields: deployment, known."""

    status = 404
    template = "Prefect has no deployment {deployment!r}. It has: {known}. Register them: sluice deploy"


class RunNotFoundError(SluiceError):
    """Fields: run."""

    status = 404
    template = "Prefect has no run {run!r}. List them: sluice runs"


class RunUnderWayError(SluiceError):
    """Fields: run, name, state."""

    status = 409
    template = (
        "{name} is {state}; only a run that is over can be tried again. Watch it: sluice watch {run}. End it: sluice "
        "cancel {run}"
    )


class RunRetryRefusedError(SluiceError):
    """Fields: run, name, state, reason."""

    status = 409
    template = "{name} ended {state} and is not tried again: {reason}"


class TaskNotFoundError(SluiceError):
    """Fields: task."""

    status = 404
    template = "There is no task run {task!r}. List them: sluice tasks"


class LogNotFoundError(SluiceError):
    """Fields: service, known."""

    status = 404
    template = "There is no log of {service!r}. There are logs of: {known}. Those of a run are found by its id or name."


class StageFailedError(SluiceError):
    """Fields: stage, use_case, state, message, run_id."""

    template = (
        "{stage}/{use_case} ended {state}: {message} Its run is {run_id}; mend the cause and run the pipeline again: "
        "stages that are finished are skipped."
    )


class SoftTimeLimitExceededError(SluiceError):
    """Fields: run, seconds.

    Raised in the step that runs when the soft time limit passes: catch it, clean up, return or raise. A step gets it
    without the fields; they are filled in when it leaves the run.
    """

    status = 504
    template = "{run} took longer than its soft time limit of {seconds} s (soft_seconds under limits in use_case.yaml)."

    def __init__(self, run: str = "The run", seconds: str = "…") -> None:
        super().__init__(run=run, seconds=seconds)


class HardTimeLimitExceededError(SluiceError):
    """Fields: run, seconds."""

    status = 504
    template = (
        "{run} took longer than its hard time limit of {seconds} s (hard_seconds under limits in use_case.yaml) and "
        "was ended. What it had finished is kept: run it again with more time, or make its work smaller."
    )


class WorkerLostError(SluiceError):
    """Fields: task, problem."""

    status = 503
    template = (
        "A Dask worker died while it ran {task!r}: {problem}. If it died of memory, give it more (resources.memory in "
        "use_case.yaml) or make partitions smaller."
    )


class ModelLoadFailedError(SluiceError):
    """Fields: name, version, problem."""

    status = 503
    template = (
        "{name!r} {version} cannot be loaded: {problem}. Check that its artifacts can be read from here and that the "
        "packages it was trained with are installed, or move the alias to a version that works."
    )


class ModelLoadingError(SluiceError):
    """Fields: name, seconds."""

    status = 503
    template = "{name!r} is still being loaded after {seconds:g} s. Ask again shortly."


class EvaluationNotFoundError(SluiceError):
    """Fields: name, version, problem."""

    status = 404
    template = (
        "{name!r} {version} has no evaluation: {problem}. The flow evaluate writes one: prefect deployment run "
        "evaluate/{name} --param model_version={version}"
    )


class RollbackImpossibleError(SluiceError):
    """Fields: model, problem."""

    status = 409
    template = (
        "{model} cannot be rolled back: {problem}. Say which version is to be champion (--to, or 'to' in a request); "
        "they are in: sluice models {model}"
    )


class InputInvalidError(SluiceError):
    """Fields: field, problem."""

    status = 422
    template = "{field}: {problem}"


class RowsInvalidError(SluiceError):
    """Fields: said (all of them in a line), and problems, a list of {field, message}."""

    status = 422
    template = "{said}"


class PayloadInvalidError(SluiceError):
    """Fields: field, problem. The scoring protocol's answer to a bad body is 400."""

    status = 400
    template = "{field}: {problem}"


class MediaTypeUnsupportedError(SluiceError):
    """Fields: media_type, supported."""

    status = 415
    template = "The body's content type is {media_type!r}. Send one of {supported}."


class PredictionFailedError(SluiceError):
    """Fields: name, version, problem."""

    template = "{name!r} {version} failed on a valid input: {problem}"


class PredictionNotFoundError(SluiceError):
    """Fields: prediction_id, hint."""

    status = 404
    template = "There is no prediction {prediction_id!r}. {hint}"


class SpoolFullError(SluiceError):
    """Fields: folder, mib."""

    status = 503
    template = (
        "The spool in {folder} holds {mib} MiB, which is its bound: the document store has not taken them. Bring the "
        "store back, or raise SLUICE_PREDICTION_LOG__MAX_MIB."
    )


class DependencyMissingError(SluiceError):
    """Fields: package, purpose, extra."""

    template = (
        "{purpose} needs the package {package!r}, which is not installed. Install the extra: uv sync --extra {extra}"
    )
