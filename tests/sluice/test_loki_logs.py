"""Logs in Loki, over a server that answers as its API is documented; a real Loki is not to be had here."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from sluice.component_logs import LogFilter, open_component_logs
from sluice.errors import InputInvalidError, LogNotFoundError, ServiceRefusedError, ServiceUnavailableError
from sluice.loki_logs import LokiLogs
from sluice.settings import LogSettings, Settings
from tests.fakes.loki import FakeLoki
from tests.website import Reply, Website, website

SECOND = 1_000_000_000


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as site:
        yield site


@pytest.fixture
def loki(site: Website) -> FakeLoki:
    return FakeLoki(site)


Reader = Callable[..., LokiLogs]


@pytest.fixture
def logs() -> Iterator[Reader]:
    """Opens the adapter; it is closed with the test."""
    with ExitStack() as opened:
        yield lambda url, **settings: opened.enter_context(closing(LokiLogs(LogSettings(loki_url=url, **settings))))


def ago(seconds: float) -> int:
    return int((time.time() - seconds) * SECOND)


def messages(page: Any) -> list[str]:
    return [line.message for line in page.lines]


def test_lines_come_as_they_were_logged(logs: Reader, loki: FakeLoki) -> None:
    """The newest first, over all services; level and message from the line, its pod and the like from the labels."""
    text = {"ts": "2026-11-21T12:00:00.5Z", "level": "ERROR", "logger": "l", "msg": "ours", "model": "movies"}
    loki.push(ago(2), "serving", json.dumps(text), "ERROR", pod="serving-1")
    loki.push(ago(1), "mlflow", "plain")
    plain, ours = logs(loki.url).lines(LogFilter()).lines
    assert (plain.service, plain.message, plain.level) == ("mlflow", "plain", "INFO")
    assert (ours.service, ours.message, ours.level) == ("serving", "ours", "ERROR")
    assert ours.at == datetime(2026, 11, 21, 12, 0, 0, 500000, UTC)
    assert ours.context == {"model": "movies", "pod": "serving-1"}
    assert logs(loki.url).services() == ["mlflow", "serving"]


def test_pages_and_following_lose_no_line_of_the_same_moment(logs: Reader, loki: FakeLoki) -> None:
    """Nanoseconds are not always different: each line is given once, in both directions."""
    at = ago(10)
    for number in range(7):
        loki.push(at + number // 3, "serving", f"line {number}")
    reader = logs(loki.url)
    page = reader.lines(LogFilter(), 2)
    newer, found = page.newer, messages(page)
    while page.older:
        page = reader.lines(LogFilter(), 2, page.older)
        found += messages(page)
    assert sorted(found) == [f"line {number}" for number in range(7)]
    assert newer
    assert reader.lines(LogFilter(), 2, newer).lines == []
    for number in range(7, 12):
        loki.push(at + 2 + number // 9, "serving", f"line {number}")
    came: list[str] = []
    while (page := reader.lines(LogFilter(), 2, newer)).lines:
        newer = page.newer or ""
        came += messages(page)[::-1]
    assert sorted(came) == ["line 10", "line 11", "line 7", "line 8", "line 9"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LogFilter(service="serving"), ["seen", "Ein \"Text\" (a+b)"]),
        (LogFilter(level="WARNING"), ["slow", "seen"]),
        (LogFilter(contains='"TEXT" (A+'), ['Ein "Text" (a+b)']),
        (LogFilter(contains="\n\\\x7f{}|"), []),
        (LogFilter(run="r-1"), ["run r-1"]),
        ({"since": 25}, ["run r-1", "slow"]),
        ({"until": 35}, ['Ein "Text" (a+b)']),
    ],
)  # fmt: skip
def test_filters_are_loki_s(
    logs: Reader, loki: FakeLoki, wanted: LogFilter | dict[str, float], found: list[str]
) -> None:
    """Service and level by label, in either case; a text as it is, whatever signs a client puts into it."""
    loki.push(ago(40), "serving", 'Ein "Text" (a+b)')
    loki.push(ago(30), "serving", "seen", "warn")
    loki.push(ago(20), "mlflow", "slow", "error")
    loki.push(ago(10), "prefect-worker", "run r-1")
    if isinstance(wanted, dict):
        now = datetime.now(UTC)
        wanted = LogFilter(**{name: now - timedelta(seconds=seconds) for name, seconds in wanted.items()})  # type: ignore[arg-type]
    assert messages(logs(loki.url).lines(wanted)) == found


def test_other_lines_of_the_same_loki_are_not_asked_for(logs: Reader, loki: FakeLoki) -> None:
    """The labels of the settings are in every query, and a client's service cannot leave its quotes."""
    loki.push(ago(1), "serving", "ours", env="test")
    loki.push(ago(1), "serving", "others", env="production")
    reader = logs(loki.url, loki_labels={"env": "test"})
    assert messages(reader.lines(LogFilter())) == ["ours"]
    with pytest.raises(LogNotFoundError, match="serving"):
        reader.lines(LogFilter(service='serving", env="production'))


@pytest.mark.parametrize(
    ("given", "header"), [("reader:long password", "Basic cmVhZGVyOmxvbmcgcGFzc3dvcmQ="), ("token", "Bearer token")]
)
def test_credentials_are_sent(logs: Reader, site: Website, given: str, header: str) -> None:
    """A user with a password, or a token; without them Loki's refusal names the setting and not the secret."""
    loki = FakeLoki(site, authorization=header)
    loki.push(ago(1), "serving", "line")
    reader = logs(loki.url, loki_auth=SecretStr(given), loki_tenant="sluice")
    assert messages(reader.lines(LogFilter())) == ["line"]
    assert site.requests[-1].headers["x-scope-orgid"] == "sluice"
    with pytest.raises(ServiceRefusedError, match="SLUICE_LOGS__LOKI_AUTH") as raised:
        logs(loki.url, loki_auth=SecretStr("another")).lines(LogFilter())
    assert "another" not in str(raised.value)


def test_loki_that_is_away_is_one_line(logs: Reader) -> None:
    """It names the address, without a password in it."""
    with pytest.raises(ServiceUnavailableError, match=r"Loki at http://127.0.0.1:9 .*SLUICE_LOGS__LOKI_URL"):
        logs("http://user:secret@127.0.0.1:9").lines(LogFilter())


def test_what_is_not_loki_is_said(logs: Reader, site: Website) -> None:
    """A wrong address answers with something else."""
    site.routes["/loki/api/v1/query_range"] = lambda request: replies.pop()
    replies = [Reply("<html>"), Reply('{"data": {"result": 5}}'), Reply("down", 502)]
    for _ in range(3):
        with pytest.raises(ServiceUnavailableError, match="Loki"):
            logs(site.url).lines(LogFilter())


def test_what_loki_refuses_to_look_at_is_the_client_s(logs: Reader, loki: FakeLoki) -> None:
    """A span of time that is longer than it allows."""
    with pytest.raises(InputInvalidError, match=r"since: .*limit: 30d1h"):
        logs(loki.url).lines(LogFilter(since=datetime(1, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize("to", ["older", "newer"])
@pytest.mark.parametrize("at", [-1, 0, 10**40])
def test_a_forged_cursor_fails_nothing(logs: Reader, loki: FakeLoki, at: int, to: str) -> None:
    """It finds nothing, or what there is."""
    loki.push(ago(1), "serving", "line")
    text = json.dumps({"to": to, "at": at, "seen": [1] * 6000})
    page = logs(loki.url).lines(LogFilter(), 5, base64.urlsafe_b64encode(text.encode()).decode())
    assert len(page.lines) <= 1
    with pytest.raises(InputInvalidError, match="cursor"):
        logs(loki.url).lines(LogFilter(), 5, "nonsense")


def test_the_settings_choose(loki: FakeLoki) -> None:
    """An address of Loki is all that it takes."""
    with closing(open_component_logs(Settings(logs=LogSettings(loki_url=loki.url)))) as opened:
        assert isinstance(opened, LokiLogs)
