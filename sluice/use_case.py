"""The contract of a use case, its configuration, and how installed ones are found.

A use case is a package with ``use_case.yaml`` and ``steps.py``, registered in the entry-point group
``sluice.use_cases``. It has no decorator, base class or registration call.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import site
from collections.abc import Mapping
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sluice.distribution import Checks
from sluice.errors import UseCaseInvalidError, UseCaseNotFoundError
from sluice.explanation import explain
from sluice.limits import Limits
from sluice.monitor_options import Monitor
from sluice.schedule import Schedule
from sluice.score_options import ScoreOptions
from sluice.serving_policy import Serving

if TYPE_CHECKING:
    import pandera.polars as pa  # a second and 60 MB, for who reads a configuration only

GROUP = "sluice.use_cases"
STEPS = ("ingest", "build_features", "split", "train", "evaluate")
Flow = Literal["ingest", "features", "train", "evaluate", "pipeline", "score", "monitor"]
# What a pipeline runs, in its order.
STAGES: tuple[Flow, ...] = ("ingest", "features", "train", "evaluate")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Threshold(_Section):
    """When a metric lets a model through. A bound that is not given does not count."""

    min: float | None = Field(None, description="the challenger must reach this")
    max: float | None = Field(None, description="the challenger must not exceed this")
    beat_champion_by: float | None = Field(
        None, description="challenger minus champion must be at least this; negative allows a loss"
    )
    higher_is_better: bool = True


class Quarantine(_Section):
    max_share: float = Field(0.05, ge=0, le=1, description="a run with a larger share of refused rows fails")


class Resources(_Section):
    cpu: float = Field(1, gt=0)
    memory: str = Field("2Gi", pattern=r"^\d+(\.\d+)?(Ki|Mi|Gi|Ti)?$")
    gpu: int = Field(0, ge=0)
    workers: int = Field(2, ge=1, description="Dask workers, where a cluster is made for the run")
    timeout: float = Field(3600, gt=0, description="seconds a stage may run")


class UseCaseConfig(_Section):
    """What ``use_case.yaml`` may say."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="snake_case")
    title: str
    owner: str
    source: dict[str, Any] = Field(description="kind and what that kind needs")
    params: dict[str, Any] = Field(default_factory=dict, description="for Params in steps.py")
    promote_if: dict[str, Threshold] = Field(description="per metric of evaluate")
    quarantine: Quarantine = Quarantine()
    checks: Checks = Checks()
    schedules: dict[Flow, Schedule] = Field(default_factory=dict)
    limits: dict[Flow, Limits] = Field(default_factory=dict)
    resources: Resources = Resources()
    serving: Serving = Serving()
    score: ScoreOptions = Field(ScoreOptions(), description="batch prediction; a run's own options go over these")
    monitor: Monitor = Field(Monitor(), description="drift, live quality and age: what the alerts go by")


class UseCase:
    """An installed use case: its configuration, and its code once that is asked for.

    Most commands need the configuration alone, and a model's libraries take seconds to import.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.folder = _folder(package)
        self.config = _read_config(self.folder / "use_case.yaml")

    @cached_property
    def steps(self) -> ModuleType:
        """The module ``steps`` of its package, with the functions in `STEPS`.

        Raises:
            UseCaseInvalidError: it lacks one of them.
        """
        steps = importlib.import_module(f"{self.package}.steps")
        for name in ("Params", "Schema", "KEY", *STEPS):
            if not hasattr(steps, name):
                raise UseCaseInvalidError(path=f"{self.folder}/steps.py", problem=f"it has no {name}")
        return steps

    @property
    def schema(self) -> "type[pa.DataFrameModel]":
        """The pandera contract of a raw row."""
        return self.steps.Schema  # type: ignore[no-any-return]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return tuple(self.steps.KEY)

    @property
    def name(self) -> str:
        return self.config.name

    def params(self, overrides: Mapping[str, Any] | None = None) -> BaseModel:
        """The parameters: ``use_case.yaml``'s, with a run's ``overrides`` on top.

        Raises:
            UseCaseInvalidError: naming the file, the key and the allowed ones.
        """
        params_type: type[BaseModel] = self.steps.Params
        try:
            return params_type.model_validate({**self.config.params, **(overrides or {})})
        except ValidationError as error:
            problem = explain(error, params_type, prefix="params.")
            raise UseCaseInvalidError(path=self.folder / "use_case.yaml", problem=problem) from None

    @cached_property
    def code_hash(self) -> str:
        """Of this package, of Sluice's kernel and of the installed environment: what a stage's result depends on."""
        digest = hashlib.sha256()
        for folder in (self.folder, Path(__file__).parent):
            for path in sorted(folder.rglob("*")):
                inside_other = folder != self.folder and "use_cases" in path.relative_to(folder).parts
                if path.suffix in {".py", ".yaml"} and not inside_other:
                    digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
        digest.update(_environment().encode())
        return digest.hexdigest()[:16]


def discover() -> dict[str, str]:
    """Installed use cases: name to package."""
    return {e.name: e.value for e in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name)}


def load_use_case(name: str) -> UseCase:
    """Find an installed use case by name.

    Raises:
        UseCaseNotFoundError: naming those that are installed.
        UseCaseInvalidError: its file or its steps are wrong.
    """
    installed = discover()
    if name not in installed:
        raise UseCaseNotFoundError(name=name, known=", ".join(installed) or "none")
    return UseCase(installed[name])


def installed_configs() -> dict[str, UseCaseConfig]:
    """What the installed use cases say, by name, without importing their code.

    Raises:
        UseCaseInvalidError: a file is wrong.
    """
    return {name: _read_config(_folder(package) / "use_case.yaml") for name, package in discover().items()}


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package) or _newly_installed(package)
    if spec is None or spec.origin is None:
        raise UseCaseInvalidError(path=package, problem="the package is registered but cannot be imported")
    return Path(spec.origin).parent


def _newly_installed(package: str) -> ModuleSpec | None:
    """Look again, with the folders of editable installs: a process reads their names (``.pth``) only when it starts."""
    for folder in site.getsitepackages():
        site.addsitedir(folder)
    importlib.invalidate_caches()
    return importlib.util.find_spec(package)


def _read_config(path: Path) -> UseCaseConfig:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UseCaseInvalidError(path=path, problem="the file does not exist") from None
    except yaml.YAMLError as error:
        raise UseCaseInvalidError(path=path, problem=f"not valid YAML: {error}") from None
    try:
        return UseCaseConfig.model_validate(content)
    except ValidationError as error:
        raise UseCaseInvalidError(path=path, problem=explain(error, UseCaseConfig)) from None


def _environment() -> str:
    """What is installed: the lock file of this checkout, or else names and versions."""
    lock = Path(__file__).parents[1] / "uv.lock"
    if lock.exists():
        return lock.read_text()
    return json.dumps(sorted(f"{d.name}=={d.version}" for d in importlib.metadata.distributions()))
