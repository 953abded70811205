"""What a chart's release says of the pods that runs get, put into our job template of the work pool."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.cluster.place import Place
from deployments.errors import JobTemplateInvalidError
from sluice.use_case import Flow


class JobChanges(BaseModel):
    """The file that the chart mounts.

    Attributes:
        defaults: of the template's variables, by name.
        labels: of the pod; a run cannot take them away, as network policies go by them.
        pod: fields of the pod's specification; lists are added to, all else is replaced.
        container: fields of its container, in the same way.
        gpu: where runs go that ask for one.
        stages: what runs of a flow have in place of the defaults.
        use_cases: the same for those of one use case, which wins.
        start_seconds: that each try of a run may take besides, until its Dask cluster has started.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    defaults: dict[str, Any] = {}
    labels: dict[str, str] = {}
    pod: dict[str, Any] = {}
    container: dict[str, Any] = {}
    gpu: Place = Place()
    stages: dict[Flow, Place] = {}
    use_cases: dict[str, dict[Flow, Place]] = Field({}, alias="useCases")
    start_seconds: int = Field(0, alias="startSeconds")

    @classmethod
    def read(cls, path: Path) -> "JobChanges":
        """Raises:
        JobTemplateInvalidError: it cannot be read, or has fields that are not known.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError) as error:
            raise JobTemplateInvalidError(path=str(path), problem=str(error)) from None
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            raise JobTemplateInvalidError(path=str(path), problem=f"{at}: {first['msg']}") from None


def changed(template: dict[str, Any], changes: JobChanges) -> dict[str, Any]:
    """A copy of the template with the changes in it.

    Raises:
        JobTemplateInvalidError: a default is of no variable; Prefect would drop it without a word.
    """
    template = deepcopy(template)
    variables = template["variables"]["properties"]
    for name, value in changes.defaults.items():
        if name not in variables:
            raise JobTemplateInvalidError(path="defaults", problem=f"the template has no variable {name}")
        variables[name]["default"] = value
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]
    pod.setdefault("metadata", {}).setdefault("labels", {}).update(changes.labels)
    _merge(pod["spec"], changes.pod)
    _merge(pod["spec"]["containers"][0], changes.container)
    return template


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        there = into.get(field)
        # Prefect puts its own variables before a list that is there, and leaves those of the list that it does not set.
        into[field] = [*there, *value] if isinstance(there, list) and isinstance(value, list) else value
