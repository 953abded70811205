"""Whoever guesses at keys is not let in, on any route, and breaks nothing."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from serving.app import build_app
from serving.scopes import scope_of
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import ServingSettings, Settings
from tests.serving.conftest import serve
from tests.serving.fakes import FakeRegistry, eventually
from tests.serving.fuzzing.chance import REPEATABLE
from tests.serving.fuzzing.connection import Answer, Connection, Request
from tests.serving.fuzzing.requests import requests
from tests.serving.fuzzing.verdict import NOT_HTTP, judge

KEY = b"sluice_bootstrapkey_" + b"0123456789abcdef" * 4
HEADERS = st.sampled_from([b"authorization", b"x-api-key", b"Authorization", b"proxy-authorization", b"cookie"])
VISIBLE = bytes(range(32, 127)) + bytes(range(128, 256))


@st.composite
def nearly(draw: st.DrawFn) -> bytes:
    """The key, but for something."""
    place = draw(st.integers(0, len(KEY) - 1))
    other = draw(st.sampled_from([one for one in VISIBLE if one != KEY[place] and one != 32]))
    changed = KEY[:place] + bytes([other]) + KEY[place + 1 :]
    return draw(st.sampled_from([changed, KEY[:place], KEY[place + 1 :], KEY + KEY, KEY.upper(), KEY + bytes([other])]))


hexadecimal = st.text("0123456789abcdef", min_size=64, max_size=64).map(str.encode)
keys = st.one_of(
    nearly(),
    hexadecimal.map(lambda secret: b"sluice_bootstrapkey_" + secret),
    hexadecimal.map(lambda secret: b"sluice_abcdefghijkl_" + secret),
    st.lists(st.sampled_from(VISIBLE), max_size=90).map(bytes),
).filter(lambda key: key.strip() != KEY)
schemes = st.sampled_from([b"Bearer ", b"bearer ", b"BEARER  ", b"Basic ", b"Bearer", b"", b"Bearer Bearer "])
guesses = st.tuples(HEADERS, st.tuples(schemes, keys).map(b"".join))


@pytest.fixture
def connection(registry: FakeRegistry, tmp_path: Path) -> Iterator[Connection]:
    """To a service that wants keys, and has read those of its store: none."""
    chosen = ServingSettings(models=("movies",), auth="required", bootstrap_key=SecretStr(KEY.decode()))
    app = build_app(
        Settings(home=tmp_path, serving=chosen),
        registry,  # type: ignore[arg-type]
        lambda: EmbeddedDocuments(str(tmp_path / "documents.db")),
    )
    with serve(app) as address:
        connection = Connection(urlsplit(address).port or 0)
        unknown = ((b"x-api-key", b"sluice_abcdefghijkl_" + b"0" * 64),)
        eventually(lambda: connection.ask(Request("GET", b"/models", unknown)).status == 401)
        yield connection
        connection.close()


def test_no_guess_gets_in(connection: Connection) -> None:
    """Any request with any header that could be a key: 401 wherever one is needed, and the right key gets in."""

    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        derandomize=REPEATABLE,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(), st.lists(guesses, max_size=3))
    @example(Request("GET", b"/models"), [])
    def guess(request: Request, guessed: list[tuple[bytes, bytes]]) -> None:
        path = unquote_to_bytes(request.target.partition(b"?")[0]).decode(errors="replace")
        answer = connection.ask(request._replace(headers=(*request.headers, *guessed)))
        judge(request.method, path, answer)
        if scope_of(request.method, path) is not None and not refused_as_bytes(answer):
            assert answer.status == 401, (path, answer)
            assert answer.headers["www-authenticate"].startswith("Bearer"), answer

    guess()
    for header in ((b"authorization", b"Bearer " + KEY), (b"x-api-key", KEY)):
        assert connection.ask(Request("GET", b"/models", (header,))).status == 200


def refused_as_bytes(answer: Answer) -> bool:
    """Whether it never was a request for the service."""
    return answer.status == 400 and answer.body in (NOT_HTTP, b"")
