"""Keys are made, rotated and ended; their secrets are nowhere."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice import api_keys
from sluice.api_keys import COLLECTION, KEY_LENGTH, ApiKeys, StoredKey, hash_of, lifetime_of
from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import InputInvalidError
from sluice.mongo_documents import MongoDocuments
from sluice.request_errors import ApiKeyMovedError, ApiKeyNameTakenError, ApiKeyNotFoundError
from tests.mongodb import wire_server

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with wire_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@pytest.fixture(params=["embedded", "mongodb"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    """Both stores: what keeps names apart is an index over a time, which each does in its own way."""
    store: DocumentStore
    if request.param == "embedded":
        store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    else:
        store = MongoDocuments(request.getfixturevalue("mongodb"), f"keys_{tmp_path.name}")
    yield store
    store.close()


@pytest.fixture
def keys(documents: DocumentStore) -> ApiKeys:
    return ApiKeys(documents)


def stored(keys: ApiKeys, name: str) -> StoredKey:
    return next(key for key in map(StoredKey.model_validate, keys.documents()) if key.name == name)


def secret_of(text: str) -> str:
    return text.rpartition("_")[2]


def test_only_a_hash_of_the_secret_is_stored(keys: ApiKeys) -> None:
    """256 random bits go to whoever asked; the store has their SHA-256, and what is listed not even that."""
    made = keys.create("shop", "predict", by="me", lifetime=DAY)
    assert re.fullmatch(rf"sluice_{made.key.id}_[0-9a-f]{{64}}", made.text)
    assert len(made.text) == KEY_LENGTH
    secret = secret_of(made.text)
    assert secret not in str(keys.documents()) + repr(made)
    assert stored(keys, "shop").hash == hash_of(secret)
    (listed,) = keys.listed()
    assert listed == made.key
    assert hash_of(secret) not in listed.model_dump_json()
    assert listed.expires == listed.made + DAY


def test_no_two_keys_are_alike(keys: ApiKeys) -> None:
    """Ids and secrets are new for every key."""
    texts = [keys.create(f"k{number}", "predict", by="me").text for number in range(20)]
    assert len({text.split("_")[1] for text in texts}) == len({secret_of(text) for text in texts}) == 20


def test_a_name_is_free_again_when_its_key_is_revoked(keys: ApiKeys) -> None:
    """Who called stays clear: no two keys that may be valid have one name."""
    first = keys.create("shop", "predict", by="me").key
    with pytest.raises(ApiKeyNameTakenError, match="sluice keys rotate 'shop'"):
        keys.create("shop", "operate", by="me")
    keys.revoke("shop")
    second = keys.create("shop", "operate", by="me").key
    keys.revoke("shop")
    assert keys.create("shop", "admin", by="me").key.id not in {first.id, second.id}
    assert [key.state for key in keys.listed(ended=True)] == ["revoked", "revoked", "valid"]


def test_a_rotated_key_has_two_secrets_for_a_while(keys: ApiKeys) -> None:
    """The same id and name; the old secret ends after the grace, and at once when it is rotated again."""
    first = keys.create("shop", "predict", by="me")
    second = keys.rotate("shop", grace=DAY)
    found = stored(keys, "shop")
    assert second.key.id == first.key.id
    assert (found.hash, found.previous_hash) == (hash_of(secret_of(second.text)), hash_of(secret_of(first.text)))
    assert found.rotated is not None
    assert found.previous_until == found.rotated + DAY
    third = keys.rotate(first.key.id, grace=DAY)
    assert stored(keys, "shop").previous_hash == hash_of(secret_of(second.text))
    keys.rotate("shop", grace=timedelta(0))
    assert stored(keys, "shop").previous_hash is None
    assert hash_of(secret_of(third.text)) not in str(keys.documents())


def test_of_two_rotations_at_once_one_is_told(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody walks away with a text that never works."""
    keys.create("shop", "predict", by="me")
    hash_before = api_keys.hash_of

    def meanwhile(secret: str) -> str:
        monkeypatch.setattr(api_keys, "hash_of", hash_before)
        keys.rotate("shop", grace=DAY)
        return hash_before(secret)

    monkeypatch.setattr(api_keys, "hash_of", meanwhile)
    with pytest.raises(ApiKeyMovedError):
        keys.rotate("shop", grace=DAY)


def test_a_revoked_key_is_kept_and_cannot_come_back(keys: ApiKeys) -> None:
    """It is listed when asked for, and neither rotates nor ends twice."""
    made = keys.create("shop", "predict", by="me").key
    assert keys.revoke(made.id).state == "revoked"
    assert keys.listed() == []
    assert [key.id for key in keys.listed(ended=True)] == [made.id]
    for again in (lambda: keys.revoke("shop"), lambda: keys.rotate("shop", grace=DAY), lambda: keys.revoke("nobody")):
        with pytest.raises(ApiKeyNotFoundError, match="sluice keys list --all"):
            again()


def test_an_expired_key_is_not_rotated_but_revoked(keys: ApiKeys, documents: DocumentStore) -> None:
    """A new text for it would never work; its name must get free all the same."""
    keys.create("shop", "predict", by="me", lifetime=DAY)
    documents.update(COLLECTION, {"name": "shop"}, {"expires": datetime.now(UTC) - DAY})
    assert [key.state for key in keys.listed(ended=True)] == ["expired"]
    with pytest.raises(ApiKeyNotFoundError):
        keys.rotate("shop", grace=DAY)
    assert keys.revoke("shop").state == "revoked"


@pytest.mark.parametrize(
    ("name", "scope", "days", "said"),
    [
        ("", "predict", 1, "name"),
        ("a b", "predict", 1, "name"),
        ("a" * 65, "predict", 1, "name"),
        ("-a", "predict", 1, "name"),
        ("a\n", "predict", 1, "name"),
        ("anonymous", "predict", 1, "without a key"),
        ("bootstrap", "predict", 1, "without a key"),
        ("a", "root", 1, "predict, operate, admin"),
        ("a", "predict", 0, "never be valid"),
    ],
)
def test_what_cannot_be_a_key_is_refused(keys: ApiKeys, name: str, scope: str, days: int, said: str) -> None:
    """The field and what it may be are named, and nothing is stored."""
    with pytest.raises(InputInvalidError, match=said):
        keys.create(name, scope, by="me", lifetime=timedelta(days=days))  # type: ignore[arg-type]
    assert keys.documents() == []


def test_lengths_of_time_are_read() -> None:
    """Hours, days and weeks; zero is one, for a grace."""
    assert [lifetime_of(text).total_seconds() / 3600 for text in ("12h", "90d", "4w", "0h")] == [12, 2160, 672, 0]
    for wrong in ("", "12", "3y", "-1d", "1.5d", "d", "1d ", "999999d"):
        with pytest.raises(InputInvalidError, match="12h, 90d or 4w"):
            lifetime_of(wrong, "grace")


def test_use_is_noted(keys: ApiKeys) -> None:
    """For whoever wonders whether a key is still needed."""
    made = keys.create("shop", "predict", by="me").key
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    keys.mark_used(made.id, at)
    assert [key.used for key in keys.listed()] == [at]
