"""A run that somebody asks for: what is refused before anything starts, and what makes asking again safe."""

from typing import Any

import httpx
import pytest

from sluice.errors import DeploymentNotFoundError, InputInvalidError, ServiceUnavailableError
from sluice.run_request import RunRequest, Started, start
from tests.fakes.prefect import FakePrefect


@pytest.fixture
def prefect() -> FakePrefect:
    return FakePrefect()


def ask(prefect: FakePrefect, deployment: str = "pipeline/movies", **more: Any) -> Started:
    return start(prefect.client(), RunRequest(deployment, more.pop("parameters", {}), more.pop("by", "ann"), **more))


def test_parameters_go_over_the_deployments_own_and_who_asked_is_a_tag(prefect: FakePrefect) -> None:
    """Nothing is said twice, and one sees later whose run it was."""
    assert ask(prefect, parameters={"fresh": True}).made
    (body,) = prefect.created
    assert body["parameters"] == {"use_case": "movies", "fresh": True}
    assert body["tags"] == ["sluice", "by:ann"]
    assert body["enforce_parameter_schema"] is True


def test_the_same_key_gives_the_same_run(prefect: FakePrefect) -> None:
    """A client that got no answer asks again; another caller's key of the same name is another key."""
    first = ask(prefect, idempotency_key="k")
    again = ask(prefect, idempotency_key="k")
    assert (again.run.id, again.made) == (first.run.id, False)
    assert ask(prefect, idempotency_key="k", by="bob").made
    assert ask(prefect).made


def test_a_key_that_made_another_run_is_refused(prefect: FakePrefect) -> None:
    """Else the client would take another run for its own."""
    ask(prefect, idempotency_key="k")
    with pytest.raises(InputInvalidError, match=r"idempotency_key.*other parameters"):
        ask(prefect, idempotency_key="k", parameters={"fresh": True})


def test_an_unknown_deployment_names_the_known(prefect: FakePrefect) -> None:
    """Whatever it is called, it gets into no path of Prefect's."""
    for name in ("pipeline/movie", "../flows/f1", "", "a\0b"):
        with pytest.raises(DeploymentNotFoundError, match="pipeline/movies"):
            ask(prefect, name)
    assert prefect.created == []


DEEP: dict[str, Any] = {}
for _ in range(40):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("parameters", "field", "problem"),
    [
        ({"frech": True}, "parameters.frech", "Did you mean 'fresh'?"),
        ({"use_case": "diabetes"}, "parameters.use_case", "is for 'movies'"),
        ({"params": {"a": ["\0"]}}, "parameters.params.a.0", "NUL"),
        ({"params": {"a\0": 1}}, "parameters.params", "NUL"),
        ({"params": {"__prefect_kind": "jinja"}}, "parameters.params", "Prefect's own"),
        ({"params": DEEP}, "parameters", "more than 32 levels"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    prefect: FakePrefect, parameters: dict[str, Any], field: str, problem: str
) -> None:
    """The field is named, and Prefect is not asked."""
    with pytest.raises(InputInvalidError) as refused:
        ask(prefect, parameters=parameters)
    assert refused.value.field == field
    assert problem in refused.value.problem
    assert prefect.created == []


def test_a_missing_parameter_is_named(prefect: FakePrefect) -> None:
    """One that neither the client nor the deployment gives."""
    prefect.parameters = {}
    with pytest.raises(InputInvalidError, match=r"parameters\.use_case: is missing"):
        ask(prefect)


@pytest.mark.parametrize(
    ("status", "said", "field"),
    [
        (409, "Error creating flow run: Validation failed for field 'fresh'. Failure reason: 5 is not of type "
              "'boolean'", "parameters.fresh"),
        (409, "Validation failed for field 'params.a[0]'. Failure reason: no", "parameters.params.a[0]"),
        (400, "Error hydrating flow run parameters: no", "parameters"),
        (422, "Flow run parameters must be at most 512000 characters", "parameters"),
    ],
)  # fmt: skip
def test_prefects_refusal_is_the_clients_mistake(prefect: FakePrefect, status: int, said: str, field: str) -> None:
    """Its check of the schema names the field; no refusal of its becomes an outage."""
    prefect.refusal = httpx.Response(status, json={"detail": said})
    with pytest.raises(InputInvalidError) as refused:
        ask(prefect, parameters={"fresh": True})
    assert refused.value.field == field


def test_an_outage_is_one(prefect: FakePrefect) -> None:
    """And is not put on the client."""
    prefect.refusal = httpx.Response(500, text="Internal Server Error")
    with pytest.raises(ServiceUnavailableError):
        ask(prefect)
