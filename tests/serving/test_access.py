"""Who is let in: right keys only, also while the document store is away, and without telling why not."""

import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loguru import logger

from serving.access import REASONS, Access, Caller
from sluice.api_keys import COLLECTION
from sluice.request_errors import (
    ApiKeyMissingError,
    ApiKeyRefusedError,
    ApiKeysUnknownError,
    RequestCrossSiteError,
    RequestForeignError,
    ScopeMissingError,
)
from tests.serving.access_world import World
from tests.serving.fakes import eventually

DAY = timedelta(days=1)
BOOTSTRAP = "sluice_bootstrapkey_" + "0123456789abcdef" * 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []
    sink = logger.add(found.append, format="{message}")
    yield found
    logger.remove(sink)


def bearer(text: str) -> bytes:
    return f"Bearer {text}".encode()


def works(access: Access, text: str) -> bool:
    try:
        access.authenticate(bearer(text), None)
    except (ApiKeyRefusedError, ApiKeysUnknownError):
        return False
    return True


def test_a_key_is_its_holder(world: World) -> None:
    """In either header, whatever the case of the scheme; the caller has the key's name and the scopes below its own."""
    shop = world.keys.create("shop", "predict", by="me").text
    admin = world.keys.create("admin", "admin", by="me").text
    with world.access() as access:
        eventually(lambda: access.ready)
        assert access.authenticate(bearer(shop), None) == Caller("shop", frozenset({"predict"}))
        assert access.authenticate(f"bEARER {shop}".encode(), None).name == "shop"
        assert access.authenticate(None, shop.encode()).name == "shop"
        assert access.authenticate(b"Basic abc", shop.encode()).name == "shop"
        assert access.authenticate(None, admin.encode()).scopes == {"predict", "operate", "admin"}


def test_a_key_that_is_made_later_works_and_a_revoked_one_stops(world: World) -> None:
    """A running service follows the store."""
    with world.access() as access:
        eventually(lambda: access.ready)
        made = world.keys.create("shop", "predict", by="me")
        eventually(lambda: works(access, made.text))
        world.keys.revoke("shop")
        eventually(lambda: not works(access, made.text))


@pytest.mark.parametrize("place", [0, len("sluice_") - 1, len("sluice_bootstrapkey")])
def test_a_key_has_one_form_only(world: World, place: int) -> None:
    """The right secret behind another prefix or separator is no key: what looks for leaked keys would not see it."""
    with world.access(bootstrap_key=BOOTSTRAP) as access:
        assert works(access, BOOTSTRAP)
        assert not works(access, f"{BOOTSTRAP[:place]}!{BOOTSTRAP[place + 1 :]}")


def test_who_is_refused_is_not_told_why_but_metric_and_log_are(world: World, lines: list[str]) -> None:
    """Wrong, unknown, expired, revoked: one answer for all; a log line that names the key, and no secret."""
    texts = {name: world.keys.create(name, "predict", by="me").text for name in ("wrong", "expired", "revoked")}
    world.store.update(COLLECTION, {"name": "expired"}, {"expires": datetime.now(UTC) - DAY})
    world.keys.revoke("revoked")
    texts["wrong"] = texts["wrong"][:-1] + ("0" if texts["wrong"][-1] != "0" else "1")
    texts["unknown"] = "sluice_000000000000_" + "0" * 64
    texts["malformed"] = "hunter2"
    with world.access() as access:
        eventually(lambda: access.ready)
        answers = set()
        for reason, text in texts.items():
            assert world.failures(reason) == 0
            with pytest.raises(ApiKeyRefusedError) as refused:
                access.authenticate(bearer(text), None)
            answers.add((str(refused.value), refused.value.challenge))
            assert world.failures(reason) == 1
    assert len(answers) == 1
    assert 'error="invalid_token"' in answers.pop()[1]
    said = "".join(lines)
    for name in ("wrong", "expired", "revoked"):
        assert f"of '{name}' is {name}" in said
    for text in texts.values():
        assert text.rpartition("_")[2] not in said


@pytest.mark.parametrize("authorization", [None, b"", b"Bearer", b"Basic c2x1aWNl", b"Token x"])
def test_without_a_key_the_answer_says_how_to_send_one(world: World, authorization: bytes | None) -> None:
    """Also for another scheme; the challenge of RFC 6750 has no error code then."""
    with world.access() as access:
        eventually(lambda: access.ready)
        with pytest.raises(ApiKeyMissingError, match="Authorization: Bearer") as missing:
            access.authenticate(authorization, None)
    assert missing.value.challenge == 'Bearer realm="sluice"'
    assert world.failures("missing") == 1


@pytest.mark.parametrize(
    "key",
    [b"", b"sluice_", b"\xff" * 84, b"sluice_" + b"\x00" * 77, b"x" * 100_000],
    ids=["empty", "prefix", "no text", "nulls", "long"],
)
def test_no_bytes_are_an_error_of_ours(world: World, key: bytes) -> None:
    """Whatever a client sends as a key is refused as one."""
    with world.access() as access:
        eventually(lambda: access.ready)
        with pytest.raises(ApiKeyRefusedError):
            access.authenticate(b"Bearer " + key, None)
        with pytest.raises(ApiKeyRefusedError):
            access.authenticate(None, key)


def test_both_texts_of_a_rotated_key_work_until_the_grace_ends(world: World) -> None:
    """Callers change over without an outage; a third rotation or the end of the grace shuts the old text out."""
    first = world.keys.create("shop", "predict", by="me").text
    second = world.keys.rotate("shop", grace=DAY).text
    with world.access() as access:
        eventually(lambda: access.ready)
        assert works(access, first)
        assert works(access, second)
        world.store.update(COLLECTION, {"name": "shop"}, {"previous_until": datetime.now(UTC)})
        eventually(lambda: not works(access, first))
        assert works(access, second)
        third = world.keys.rotate("shop", grace=timedelta(0)).text
        eventually(lambda: works(access, third))
        assert not works(access, second)


def test_a_key_expires_while_the_service_runs(world: World) -> None:
    """Nobody has to change anything in the store for it."""
    text = world.keys.create("shop", "predict", by="me", lifetime=DAY).text
    with world.access() as access:
        eventually(lambda: works(access, text))
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        world.store.update(COLLECTION, {"name": "shop"}, {"expires": soon})
        eventually(lambda: not works(access, text))
        assert datetime.now(UTC) >= soon - timedelta(milliseconds=1)  # as finely as stores keep it
    assert (world.failures("expired") or 0) >= 1


def test_keys_outlive_the_store_and_a_restart(world: World) -> None:
    """Once read they go on while the store is away, from a copy too; what was revoked before stays out."""
    text = world.keys.create("shop", "predict", by="me").text
    gone = world.keys.create("gone", "predict", by="me").text
    with world.access() as access:
        eventually(lambda: works(access, gone))
        world.keys.revoke("gone")
        eventually(lambda: not works(access, gone))
        eventually(lambda: '"revoked":{' in world.copy.read_text())
    world.take_store_away()
    with world.access() as access:
        assert access.ready
        assert works(access, text)
        assert not works(access, gone)
        time.sleep(0.1)
        assert works(access, text)


def test_until_keys_were_ever_read_nobody_can_tell(world: World) -> None:
    """503 and not 401: the caller's key may be right, and a retry is worth it. It is let in once the store is back."""
    text = world.keys.create("shop", "predict", by="me").text
    world.take_store_away()
    with world.access() as access:
        assert not access.ready
        with pytest.raises(ApiKeysUnknownError) as unknown:
            access.authenticate(bearer(text), None)
        assert unknown.value.status == 503
        assert unknown.value.retry_after >= 1
        with pytest.raises(ApiKeyMissingError):
            access.authenticate(None, None)
        world.give_store_back()
        eventually(lambda: works(access, text))


def test_the_copy_is_for_its_owner_and_has_no_secret(world: World) -> None:
    """Hashes only, mode 0600, and no half-written file beside it."""
    text = world.keys.create("shop", "predict", by="me").text
    with world.access() as access:
        eventually(lambda: works(access, text) and world.copy.exists())
    assert stat.S_IMODE(world.copy.stat().st_mode) == 0o600
    assert text.rpartition("_")[2] not in world.copy.read_text()
    assert [path.name for path in world.copy.parent.iterdir()] == [world.copy.name]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": 1}', '{"keys": [1]}', '{"keys": {}}', "\x00"])
def test_a_broken_copy_counts_as_none(world: World, content: str) -> None:
    """It lets nobody in and stops nothing; the next read writes it anew."""
    world.copy.parent.mkdir()
    world.copy.write_text(content)
    world.take_store_away()
    with world.access() as access:
        assert not access.ready
        world.give_store_back()
        eventually(lambda: access.ready)
        eventually(lambda: world.copy.read_text() == '{"keys":[]}')


def test_a_copy_that_cannot_be_written_is_tried_again(world: World, lines: list[str]) -> None:
    """Keys work meanwhile; it is said once, and when the disk takes it the copy is there."""
    world.copy.parent.write_text("a file where the folder should be")
    text = world.keys.create("shop", "predict", by="me").text
    with world.access() as access:
        eventually(lambda: works(access, text))
        time.sleep(0.2)
        world.copy.parent.unlink()
        eventually(world.copy.exists)
    assert len([line for line in lines if "not up to date" in line]) == 1


def test_a_document_that_is_none_shuts_only_itself_out(world: World, lines: list[str]) -> None:
    """Somebody's edit by hand must not keep all others out."""
    text = world.keys.create("shop", "predict", by="me").text
    broken = world.keys.create("broken", "predict", by="me")
    world.store.update(COLLECTION, {"name": "broken"}, {"hash": "not hexadecimal"})
    world.store.insert(COLLECTION, [{"id": "aaaaaaaaaaaa"}])
    with world.access() as access:
        eventually(lambda: works(access, text))
        assert not works(access, broken.text)
    assert {broken.key.id, "aaaaaaaaaaaa"} <= {word.strip("'") for line in lines for word in line.split()}


def test_the_last_use_is_written_once_an_hour(world: World) -> None:
    """So that a key nobody uses can be seen, at next to no cost."""
    text = world.keys.create("shop", "predict", by="me").text
    with world.access() as access:
        eventually(lambda: works(access, text))
        eventually(lambda: world.keys.listed()[0].used is not None)
        (first,) = world.keys.listed()
        assert works(access, text)
        time.sleep(0.1)
        assert world.keys.listed() == [first]
        world.store.update(COLLECTION, {"name": "shop"}, {"used": datetime.now(UTC) - DAY})
        eventually(lambda: works(access, text) and (world.keys.listed()[0].used or first.made) > first.made)


def test_a_use_is_not_lost_when_keys_change_meanwhile(world: World) -> None:
    """The next read brings other keys; that this one was used before it is written all the same."""
    text = world.keys.create("shop", "predict", by="me").text
    with world.access(seconds=0.5) as access:
        eventually(lambda: access.ready)
        time.sleep(0.1)  # the read that made it ready is over, the next is not due
        assert works(access, text)
        world.keys.create("other", "predict", by="me")
        eventually(lambda: [key.used is not None for key in world.keys.listed()] == [False, True])


def test_the_first_key_comes_from_the_environment(world: World) -> None:
    """It is admin before the store was ever read, and nothing but its whole text is."""
    world.take_store_away()
    with world.access(bootstrap_key=BOOTSTRAP) as access:
        assert access.authenticate(bearer(BOOTSTRAP), None) == Caller(
            "bootstrap", frozenset({"predict", "operate", "admin"})
        )
        assert not works(access, BOOTSTRAP[:-1] + "0")
        world.give_store_back()
        eventually(lambda: access.ready)
        assert works(access, BOOTSTRAP)
    with world.access() as access:
        eventually(lambda: access.ready)
        assert not works(access, BOOTSTRAP)


def test_a_route_is_open_to_whoever_has_its_scope(world: World) -> None:
    """403 names the scope, 401 is for who has no key, and probes need none."""
    shop = world.keys.create("shop", "predict", by="me").text
    bot = world.keys.create("bot", "operate", by="me").text
    with world.access() as access:
        eventually(lambda: access.ready)
        headers = [(b"host", b"models.example"), (b"x-api-key", shop.encode())]
        assert access.admit("POST", "/invocations", headers).name == "shop"
        with pytest.raises(ScopeMissingError, match=r"'shop'.*--scope operate"):
            access.admit("POST", "/models/movies/promote", headers)
        assert access.admit("POST", "/models/movies/promote", [(b"authorization", bearer(bot))]).name == "bot"
        assert access.admit("GET", "/livez", []).name == "anonymous"
        for path in ("/metrics", "/docs", "/openapi.json", "/nothing"):
            with pytest.raises(ApiKeyMissingError):
                access.admit("GET", path, [])
    assert world.failures("scope") == 1


def test_pages_are_public_when_the_setting_says_so(world: World) -> None:
    """Only those."""
    with world.access(public=("metrics",)) as access:
        assert access.admit("GET", "/metrics", []).scopes == frozenset()
        with pytest.raises(ApiKeyMissingError):
            access.admit("GET", "/docs", [])


def test_on_this_machine_nobody_needs_a_key(world: World) -> None:
    """Everything is allowed, and no thread, store or copy is there; what a web page elsewhere sends is refused."""
    world.take_store_away()
    with world.access(required=False) as access:
        assert access.ready
        for headers in (
            [],
            [(b"host", b"127.0.0.1:8000")],
            [(b"host", b"localhost"), (b"origin", b"http://[::1]:3000")],
        ):
            caller = access.admit("POST", "/models/movies/promote", headers)
            assert (caller.name, "admin" in caller.scopes) == ("anonymous", True)
        with pytest.raises(RequestForeignError, match=r"evil\.example"):
            access.admit("POST", "/models/movies/promote", [(b"host", b"evil.example:8000")])
    assert not world.copy.exists()


def test_a_client_that_tries_on_does_not_fill_the_log(world: World, lines: list[str]) -> None:
    """One line a key and reason, whatever it sends; the metric counts all of them."""
    with world.access() as access:
        eventually(lambda: access.ready)
        for number in range(50):
            assert not works(access, f"sluice_{number:012d}_" + "0" * 64)
    assert len([line for line in lines if "refused" in line]) == 1
    assert world.failures("unknown") == 50


def test_counters_exist_before_the_first_failure(world: World) -> None:
    """`increase()` needs the zeros."""
    with world.access():
        assert [world.failures(reason) for reason in REASONS] == [0.0] * len(REASONS)


def test_a_cookie_is_a_key_for_our_own_pages_only(world: World) -> None:
    """It reads from anywhere, since answers do not reach other sites; it changes nothing that ours did not ask for."""
    cookie = (b"cookie", f"theme=dark; sluice_key={world.keys.create('ann', 'operate', by='me').text}".encode())
    with world.access() as access:
        eventually(lambda: access.ready)
        assert access.admit("GET", "/runs", [cookie]).name == "ann"
        assert access.admit("POST", "/runs", [cookie, (b"sec-fetch-site", b"same-origin")]).name == "ann"
        for headers in ([cookie], [cookie, (b"sec-fetch-site", b"cross-site")]):
            with pytest.raises(RequestCrossSiteError):
                access.admit("POST", "/runs", headers)
            with pytest.raises(RequestCrossSiteError):
                access.let_in("predict", headers)


def test_a_header_goes_before_the_cookie(world: World) -> None:
    """Who sends a key as programs do is that caller, and needs no origin; a wrong cookie is a wrong key."""
    shop = world.keys.create("shop", "predict", by="me").text
    cookie = (b"cookie", b"sluice_key=" + world.keys.create("ann", "operate", by="me").text.encode())
    with world.access() as access:
        eventually(lambda: access.ready)
        assert access.admit("POST", "/invocations", [cookie, (b"x-api-key", shop.encode())]).name == "shop"
        assert access.admit("POST", "/invocations", [cookie, (b"authorization", bearer(shop))]).name == "shop"
        with pytest.raises(ScopeMissingError):
            access.admit("POST", "/runs", [cookie, (b"authorization", bearer(shop))])
        with pytest.raises(ApiKeyRefusedError):
            access.admit("GET", "/models", [(b"cookie", b"sluice_key=wrong")])
        with pytest.raises(ApiKeyMissingError):
            access.admit("GET", "/models", [(b"cookie", b"theme=dark")])
