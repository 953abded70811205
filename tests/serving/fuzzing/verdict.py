"""What every answer of the service must be like, whatever was asked."""

import json
from typing import NoReturn

import mlflow

from tests.serving.fuzzing.connection import Answer

MEMBERS = {"type": str, "title": str, "status": int, "detail": str, "instance": str}
# What uvicorn says of bytes that are no HTTP; the application never sees them.
NOT_HTTP = b"Invalid HTTP request received."
# /ping and /version answer as MLflow does, which is no JSON; of damaged requests nobody knows the path.
OWN = (b"\n", mlflow.__version__.encode())


def judge(method: str, path: str, answer: Answer) -> None:
    """
    Raises:
        AssertionError: it is an error of the server's, or one that is not told as RFC 9457 says, or no JSON.
    """
    if answer.status >= 500:
        assert answer.status in (503, 504), f"{answer.status}: {answer.body[:2000]!r}"
        assert answer.status == 504 or answer.headers.get("retry-after", "").isdigit(), answer
    if method == "HEAD":  # has no body
        return
    kind = answer.headers.get("content-type", "")
    if answer.status == 400 and answer.body == NOT_HTTP:
        return
    if answer.status >= 400:
        assert kind == "application/problem+json", answer
        _judge_problem(path, answer)
    elif kind == "application/json" and answer.body not in OWN:
        json.loads(answer.body, parse_constant=_refuse)


def _judge_problem(path: str, answer: Answer) -> None:
    said = json.loads(answer.body, parse_constant=_refuse)
    for member, type_ in MEMBERS.items():
        assert type(said.get(member)) is type_, answer
    assert said["status"] == answer.status, answer
    assert said["title"], answer
    assert said["detail"], answer
    if path == "/v2" or path.startswith("/v2/"):
        assert said["error"] == said["detail"], answer


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")
