"""What a stage is about to do, and the key that says when it would do the same again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

# Nothing heavy at import: a flow's process only carries plans, the workers make and follow them.


class StagePlan(BaseModel):
    """One stage of one use case on given inputs.

    Attributes:
        inputs: what the stage reads, such as ``{"raw": "raw/movies@3"}``; for ingest the source's fingerprint.
        code: hash of the use case, the kernel, these flows and the installed environment.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    use_case: str
    params: dict[str, Any]
    inputs: dict[str, str]
    code: str
    timeout: float

    def __str__(self) -> str:
        inputs = ", ".join(f"{name} {ref}" for name, ref in self.inputs.items())
        return f"{self.stage} of {self.use_case} on {inputs}; key {self.key}"

    @property
    def key(self) -> str:
        """Equal for equal work: the cache key of its tasks and the idempotency key of what it writes."""
        # The timeout is a bound on the work, not part of it.
        identity = self.model_dump(mode="json", exclude={"timeout"})
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def make_plan(stage: str, use_case: str, overrides: Mapping[str, Any], inputs: Mapping[str, str]) -> StagePlan:
    """Runs on a worker, which has the kernel loaded already."""
    from sluice.use_case import load_use_case

    loaded = load_use_case(use_case)
    return StagePlan(
        stage=stage,
        use_case=use_case,
        params=loaded.params(overrides).model_dump(mode="json"),
        inputs=dict(inputs),
        code=code_hash(use_case),
        timeout=loaded.config.resources.timeout,
    )


def code_hash(use_case: str) -> str:
    """Of all code that a stage of this use case runs, as it is on disk now."""
    from sluice.use_case import load_use_case

    return f"{load_use_case(use_case).code_hash}-{flows_hash()}"


def flows_hash() -> str:
    """Of this package's own code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
