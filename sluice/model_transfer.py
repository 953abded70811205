"""A registered version of one environment becomes the challenger in another: the same files, and whence they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

from sluice.errors import SluiceError
from sluice.mlflow_registry import KEY_TAG, MlflowRegistry
from sluice.models import ModelRun
from sluice.settings import MlflowSettings, Settings

# What MLflow's clients sign in with, whichever server they ask.
_ACCOUNT = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


class EnvironmentUnknownError(SluiceError):
    """Fields: name, known."""

    status = 404
    template = (
        "There is no environment {name!r}; known: {known}. Name its MLflow: "
        'SLUICE_MLFLOW__ENVIRONMENTS=\'{{"{name}": "https://user:password@mlflow.example.com"}}\''
    )


class Transferred(BaseModel):
    """A version here, and the one that was made of it there."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    environment: str
    to_version: str
    to_environment: str


def transfer(settings: Settings, name: str, version: str, to_environment: str, *, by: str, reason: str) -> Transferred:
    """Register a version there too, once however often it is called; there it is challenger, and the gate decides.

    Its run there has the parameters, the numbers and the tables of its run here; tags say which version it was, where,
    and who sent it. All is read before the other registry is opened: MLflow's clients have one account a process.

    Raises:
        EnvironmentUnknownError: the settings do not name it.
        ModelNotFoundError: there is no such version here.
        ServiceUnavailableError: one of the two registries; what was half made there is removed.
    """
    there = _mlflow_of(settings, to_environment)
    caches = settings.home / "cache"
    here = MlflowRegistry(settings.mlflow.uri, caches / "models", settings.mlflow.account)
    sent = here.get(name, version=version)
    run = here.runs([sent]).get(sent.run_id) or ModelRun(run_id=sent.run_id, experiment_id="")
    folder = here.files(sent)
    tags = {tag: value for tag, value in sent.tags.items() if tag.startswith("sluice.") and tag != KEY_TAG}
    tags |= {
        "sluice.from.environment": settings.env,
        "sluice.from.version": sent.version,
        "sluice.from.run": sent.run_id,
        "sluice.from.registry": here.address,
        "sluice.from.by": by,
        "sluice.from.reason": reason,
    }
    with _account_aside():
        registry = MlflowRegistry(there.uri, caches / f"models-{to_environment}", there.account)
        key = f"{settings.env}-{sent.run_id}"
        made = registry.register_files(folder, name=name, key=key, run=run, tags=tags)
    return Transferred(
        model=name,
        version=sent.version,
        environment=settings.env,
        to_version=made.version,
        to_environment=to_environment,
    )


def _mlflow_of(settings: Settings, environment: str) -> MlflowSettings:
    known = settings.mlflow.environments
    if environment not in known:
        raise EnvironmentUnknownError(name=environment, known=", ".join(sorted(known)) or "none")
    # Like our own, but for an account, which is in the address.
    return MlflowSettings(uri=known[environment].get_secret_value())


@contextmanager
def _account_aside() -> Iterator[None]:
    """What opens this registry is not for the other one to see."""
    kept = {variable: os.environ.pop(variable) for variable in _ACCOUNT if variable in os.environ}
    try:
        yield
    finally:
        for variable in _ACCOUNT:
            os.environ.pop(variable, None)
        os.environ.update(kept)
