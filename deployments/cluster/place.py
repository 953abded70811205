"""Where the runs of a stage go, and what they get, where that is not for the use case to say: a cluster's own nodes."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_GPU = "gpu_limit"


class Place(BaseModel):
    """A choice of the chart's values; what is not given stays as it is.

    Attributes:
        node_selector: labels of nodes.
        tolerations: taints of nodes that a run bears, as Kubernetes writes them.
        cpu: requested, as Kubernetes writes it.
        memory: requested, and the limit.
        gpu: how many; 0 takes those of the use case away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, coerce_numbers_to_str=True)

    node_selector: dict[str, str] | None = Field(None, alias="nodeSelector")
    tolerations: list[dict[str, Any]] | None = None
    cpu: str | None = None
    memory: str | None = None
    gpu: int | None = Field(None, ge=0)

    def over(self, variables: dict[str, Any]) -> dict[str, Any]:
        """A deployment's job variables with this choice in them."""
        chosen: dict[str, Any] = {
            "node_selector": self.node_selector,
            "tolerations": self.tolerations,
            "cpu_request": self.cpu,
        }
        chosen |= {"memory_request": self.memory, "memory_limit": self.memory}
        variables = variables | {name: value for name, value in chosen.items() if value is not None}
        if self.gpu is not None:
            variables.pop(_GPU, None)
            if self.gpu:
                variables[_GPU] = str(self.gpu)
        return variables


def job_variables(variables: dict[str, Any], gpu: Place, choices: list[Place]) -> dict[str, Any]:
    """With every choice over the one before; the nodes with a GPU only for a run that asks for one in the end."""
    asked = variables
    for choice in choices:
        asked = choice.over(asked)
    if _GPU not in asked:
        return asked
    for choice in (gpu, *choices):
        variables = choice.over(variables)
    return variables
