"""What a flow gives, where everyone can read it: Prefect keeps results in files that only its workers reach."""

from httpx import HTTPError
from prefect.artifacts import Artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from pydantic import BaseModel

# Prefect's pages leave artifacts of this type out; `sluice.run_details` looks for it.
TYPE = "result"


def publish_result(result: BaseModel) -> None:
    """Beside the run, as JSON. The work is done by now: that it cannot be told is no reason to fail."""
    try:
        Artifact(type=TYPE, data=result.model_dump(mode="json")).create(_sync=True)  # type: ignore[call-arg]
    except (PrefectException, HTTPError) as error:
        get_run_logger().warning(f"The result could not be written beside the run: {error}")
