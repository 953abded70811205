"""POST /models/{name}/predict and /stream: what the signature says, in and out."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from httpx import Client

from sluice.settings import LimitSettings
from tests.serving.conftest import Service
from tests.serving.fakes import eventually

ROWS = [{"x": 1.5, "label": "a"}, {"x": 2, "label": "b"}]
PREDICT = "/models/numbers/predict"


def test_rows_in_predictions_out_and_who_gave_them(service: Service) -> None:
    """With the prediction's id, which feedback needs."""
    with service() as client:
        answer = client.post(PREDICT, json={"rows": ROWS})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["predictions"] == [{"y": 3.0, "label": "a"}, {"y": 4.0, "label": "b"}]
    assert (body["model"], body["version"]) == ("numbers", "1")
    assert len(body["prediction_id"]) == 32


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"{}", "rows"),
        (b'{"rows": []}', "rows"),
        (b'{"rows": [{"x": 1.5}]}', "rows.0.label"),
        (b'{"rows": [{"x": "1.5", "label": "a"}]}', "rows.0.x"),
        (b'{"rows": [{"x": 1.5, "label": "a"}, {"x": null, "label": "a"}]}', "rows.1.x"),
        (b'{"rows": [{"x": 1.5, "label": 3}]}', "rows.0.label"),
        (b'{"rows": [3]}', "rows.0"),
        (b'{"rows": [{"x": 1.5, "label": "a"}], "more": 1}', "more"),
        (b'{"rows": [{"x": 1.5, "label": "a"}], "params": {"slip": 1}}', "params.slip"),
        (b'{"rows": [{"x": 1.5, "label": "a"}], "params": {"sleep": "long"}}', "params.sleep"),
    ],
)
def test_what_is_wrong_is_named(service: Service, body: bytes, field: str) -> None:
    """By its place in the request, as a problem document with status 422."""
    with service() as client:
        answer = client.post(PREDICT, content=body)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_the_openapi_document_has_each_models_own_types(service: Service) -> None:
    """A loaded model's path names its columns and parameters with their types."""
    with service(models=("numbers",)) as client:
        document = client.get("/openapi.json").json()
    operation = document["paths"][PREDICT]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schemas = document["components"]["schemas"]
    request = schemas[reference.rpartition("/")[2]]
    row = schemas[request["properties"]["rows"]["items"]["$ref"].rpartition("/")[2]]
    assert row["properties"]["x"]["type"] == "number"
    assert row["properties"]["label"]["type"] == "string"
    assert row["required"] == ["x", "label"]


def stream(client: Client, lines: Iterator[bytes] | bytes) -> list[Any]:
    answer = client.post("/models/numbers/stream", content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_stream_has_a_line_for_each_line_in_their_order(service: Service) -> None:
    """However the bytes are cut, and with the last line unfinished; empty lines are none."""

    def chunks() -> Iterator[bytes]:
        whole = "\n".join(json.dumps({"x": i, "label": "é"}, ensure_ascii=False) for i in range(1000)).encode()
        yield b"\n"
        for start in range(0, len(whole), 37):
            yield whole[start : start + 37]

    with service() as client:
        answers = stream(client, chunks())
    assert [answer["prediction"]["y"] for answer in answers] == [2.0 * i for i in range(1000)]
    assert len({(answer["prediction_id"], answer["row"]) for answer in answers}) == 1000


def test_a_bad_line_is_answered_as_one_and_takes_no_other_with_it(service: Service) -> None:
    """No JSON, two objects in a line, a wrong type, a row that the model raises on, and lists in lists in lists."""
    bad = [
        b"{",
        b'{"x": 1, "label": "a"},{"x": 2, "label": "a"}',
        b'{"x": "1", "label": "a"}',
        b'{"x": -1, "label": "a"}',
        b"[" * 500 + b"]" * 500,
    ]
    good = b'{"x": 1, "label": "a"}'
    with service() as client:
        answers = stream(client, b"\n".join([good, *bad, good]))
    assert ["error" in answer for answer in answers] == [False, True, True, True, True, True, False]
    assert answers[3]["error"]["errors"][0]["field"] == "rows.0.x"


def connected(client: Client) -> socket.socket:
    address = client.base_url
    return socket.create_connection((address.host, address.port), timeout=20)


HEAD = (
    b"POST /models/numbers/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def test_a_stream_that_brings_nothing_more_ends_with_a_line_that_says_so(service: Service) -> None:
    """What came is answered, then the error, and the answer is complete; the place that it took is free."""
    line = b'{"x": 1, "label": "a"}\n'
    with service(limits=LimitSettings(seconds=0.5)) as client, connected(client) as stalled:
        stalled.sendall(HEAD + b"%x\r\n%b\r\n" % (len(line), line))
        said = b""
        while not said.endswith(b"0\r\n\r\n"):
            said += stalled.recv(65536) or pytest.fail(f"it ended within the answer: {said!r}")
    assert b'"prediction":' in said
    assert b'"error":' in said
    assert b"0.5" in said


def test_whoever_asks_and_does_not_read_keeps_no_place(service: Service) -> None:
    """Once nothing went out for as long as a request may take, the only place there is is another's."""
    lines = b'{"x": 1, "label": "a"}\n' * 2000
    chunks = b"%x\r\n%b\r\n" % (len(lines), lines) * 200
    with service(limits=LimitSettings(seconds=0.5, concurrency=1)) as client, connected(client) as deaf:
        deaf.settimeout(2)
        deaf.sendall(HEAD)
        with pytest.raises(TimeoutError):  # it is full, on both ways
            deaf.sendall(chunks)
        eventually(lambda: client.post(PREDICT, json={"rows": ROWS}).status_code == 200)
