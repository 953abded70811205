"""A plan's use case and parameters, and the compute a step gets, as they are needed inside a task on a worker."""

from pydantic import BaseModel

from flows.cluster import DaskCompute
from flows.heard import HeardSteps
from flows.plan import StagePlan
from flows.platform import platform
from flows.run_log import forward
from sluice.dataset import Dataset
from sluice.references import TableRef
from sluice.use_case import UseCase, load_use_case


def load(plan: StagePlan) -> tuple[UseCase, BaseModel]:
    """The use case and its validated parameters."""
    forward()
    use_case = load_use_case(plan.use_case)
    use_case.steps = HeardSteps(use_case.steps)
    return use_case, use_case.steps.Params.model_validate(plan.params)


def compute(table: str) -> DaskCompute:
    """The cluster, writing new files into ``table``'s folder."""
    return DaskCompute(platform().lake.staging(table))


def dataset(reference: str) -> Dataset:
    """The dataset that a plan's input names, such as ``raw/movies@3``."""
    return platform().lake.dataset(TableRef.parse(reference))


def table_input(table: str, version: int | str | None) -> str:
    """A plan's input: the given version, the one of a moment (ISO 8601), or the latest.

    Raises:
        TableNotFoundError, VersionNotFoundError: with what to run first, or which versions there are.
        UseCaseInvalidError: it is neither a version nor a moment.
    """
    lake = platform().lake
    ref = lake.latest_or_raise(table) if version is None else lake.at(table, version)
    return str(lake.dataset(ref).ref)
