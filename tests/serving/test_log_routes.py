"""``GET /logs`` over the real files of a home."""

import json
from pathlib import Path

import pytest

from tests.serving.conftest import Service


@pytest.fixture(autouse=True)
def logs(tmp_path: Path) -> Path:
    """Two services' logs, in the home of the service under test."""
    folder = tmp_path / "logs"
    folder.mkdir()
    lines = [
        {"ts": f"2026-11-21T12:00:0{n}Z", "level": level, "logger": "l", "msg": f"s{n}", "flow_run_id": f"r{n}"}
        for n, level in enumerate(("INFO", "WARNING", "ERROR"))
    ]
    (folder / "serving.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "mlflow.log").write_text("2026/11/21 12:00:01 INFO mlflow.store: plain \x1b[31mred\x1b[0m\n")
    return folder


def test_lines_of_all_services_or_of_one(service: Service) -> None:
    """The newest first, with what else the line says beside its own keys."""
    with service() as client:
        found = client.get("/logs").json()
        one = client.get("/logs", params={"service": "mlflow"}).json()
        names = client.get("/logs/services").json()
    assert [line["message"] for line in found["lines"] if line["service"] == "serving"] == ["s2", "s1", "s0"]
    first = next(line for line in found["lines"] if line["message"] == "s2")
    assert first == {
        "at": "2026-11-21T12:00:02.000Z",
        "level": "ERROR",
        "service": "serving",
        "message": "s2",
        "logger": "l",
        "flow_run_id": "r2",
    }
    assert found["next"] is None
    assert [line["message"] for line in one["lines"]] == ["plain red"]
    assert names == {"services": ["mlflow", "serving"]}


def test_pages_and_following(service: Service, logs: Path) -> None:
    """`next` leads to older lines, `newer` to what came since."""
    with service() as client:
        query = {"service": "serving", "limit": 2}
        page = client.get("/logs", params=query).json()
        older = client.get("/logs", params=query | {"cursor": page["next"]}).json()
        with (logs / "serving.log").open("a") as file:
            file.write("WARNING: new\n")
        newer = client.get("/logs", params=query | {"cursor": page["newer"]}).json()
    assert [line["message"] for line in page["lines"]] == ["s2", "s1"]
    assert [line["message"] for line in older["lines"]] == ["s0"]
    assert older["next"] is None
    assert [(line["level"], line["message"]) for line in newer["lines"]] == [("WARNING", "new")]


def test_filters(service: Service) -> None:
    """Least level, span of time, text, run."""
    with service() as client:

        def found(**query: str) -> list[str]:
            return [
                line["message"] for line in client.get("/logs", params={"service": "serving"} | query).json()["lines"]
            ]

        assert found(level="warning") == ["s2", "s1"]
        assert found(since="2026-11-21T12:00:01", until="2026-11-21T12:00:02Z") == ["s1"]
        assert found(contains="S0") == ["s0"]
        assert found(run="r1") == ["s1"]
        assert found(contains="nowhere") == []


MISTAKES: list[tuple[dict[str, str], int, str | None]] = [
    ({"service": "../../etc/passwd"}, 404, None),
    ({"service": "nobody"}, 404, None),
    ({"level": "LOUD"}, 422, "level"),
    ({"since": "yesterday"}, 422, "since"),
    ({"until": "99999999w"}, 422, "until"),
    ({"limit": "0"}, 422, "limit"),
    ({"limit": "100000"}, 422, "limit"),
    ({"cursor": "x"}, 422, "cursor"),
    ({"contains": "x" * 2000}, 422, "contains"),
]


def test_mistakes_are_the_client_s(service: Service) -> None:
    """A problem document that names the field, and for a service those that there are."""
    with service() as client:
        for query, status, field in MISTAKES:
            answer = client.get("/logs", params=query)
            assert answer.status_code == status, query
            assert answer.headers["content-type"] == "application/problem+json"
            if field:
                assert [error["field"] for error in answer.json()["errors"]] == [field]
            else:
                assert "mlflow, serving" in answer.json()["detail"]


def test_junk_in_a_log_is_sent_as_json(service: Service, logs: Path) -> None:
    """Binary, surrogates and numbers that JSON does not have never fail the answer."""
    (logs / "junk.log").write_bytes(
        b"\xff\x00\n"
        + b'{"ts": "2026-11-21T12:00:00Z", "msg": "\\ud800", "n": NaN, "level": 5}\n'
        + b"y" * 200_000
        + b"\n"
    )
    with service() as client:
        answer = client.get("/logs", params={"service": "junk"})
    assert answer.status_code == 200
    assert len(answer.json()["lines"]) == 3
    assert len(answer.content) < 500_000
