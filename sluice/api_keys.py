"""API keys in the document store: who may call the service, and for what.

A key is ``sluice_<id>_<secret>``. The id (12 characters) finds it and is no secret; the secret is 256 random bits in
hexadecimal, shown once, and stored as its SHA-256 only. That is enough for random bits: there is no dictionary to try
them from, so a slow hash would add nothing but tens of milliseconds to every request.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from sluice.documents import Document, DocumentStore
from sluice.errors import DocumentDuplicateError, InputInvalidError
from sluice.request_errors import ApiKeyMovedError, ApiKeyNameTakenError, ApiKeyNotFoundError

Scope = Literal["predict", "operate", "admin"]
# A ladder: who may operate may predict, who may administer may do both. A key has one scope, its highest.
SCOPES: tuple[Scope, ...] = get_args(Scope)
COLLECTION = "api_keys"
PREFIX = "sluice_"
ID_LENGTH = 12
KEY_LENGTH = len(PREFIX) + ID_LENGTH + 1 + 64
# The names under which the service counts callers that have no key of the store.
ANONYMOUS = "anonymous"
BOOTSTRAP = "bootstrap"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LENGTH = re.compile(r"([0-9]{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class ApiKey(BaseModel):
    """What may be shown of a key. ``used`` is up to an hour behind."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    scope: Scope
    by: str
    made: datetime
    expires: datetime | None
    rotated: datetime | None
    revoked: datetime | None
    used: datetime | None

    @property
    def state(self) -> Literal["valid", "expired", "revoked"]:
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= datetime.now(UTC) else "valid"


class StoredKey(ApiKey):
    """With the hashes (hexadecimal), for the service alone; the secret before the last rotation ends at a time."""

    hash: str
    previous_hash: str | None
    previous_until: datetime | None


@dataclass(frozen=True)
class NewSecret:
    """A key and its whole text, which is kept nowhere else."""

    key: ApiKey
    text: str = field(repr=False)


class ApiKeys:
    """Makes and ends keys. A running service follows within seconds."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    def create(self, name: str, scope: Scope, *, by: str, lifetime: timedelta | None = None) -> NewSecret:
        """A new key; without a lifetime it never expires.

        Raises:
            InputInvalidError: no such scope, a name that cannot be one, a lifetime that is over at once.
            ApiKeyNameTakenError: a key that is not revoked has the name.
        """
        _check(name, scope, lifetime)
        now = _now()
        key = ApiKey(
            id=secrets.token_hex(ID_LENGTH // 2),
            name=name,
            scope=scope,
            by=by,
            made=now,
            expires=None if lifetime is None else now + lifetime,
            rotated=None,
            revoked=None,
            used=None,
        )
        secret = secrets.token_hex(32)
        hashes = {"hash": hash_of(secret), "previous_hash": None, "previous_until": None}
        # A name may come again when the key that had it is revoked: then `revoked` is a time.
        for fields in (["id"], ["name", "revoked"]):
            self._documents.unique(COLLECTION, fields)
        try:
            self._documents.insert(COLLECTION, [{**key.model_dump(), **hashes}])
        except DocumentDuplicateError:
            raise ApiKeyNameTakenError(name=name) from None
        return NewSecret(key, text_of(key.id, secret))

    def listed(self, *, ended: bool = False) -> list[ApiKey]:
        """By name; with ``ended`` also those that have expired or were revoked."""
        found = [ApiKey.model_validate(document) for document in self._documents.find(COLLECTION)]
        return sorted((key for key in found if ended or key.state == "valid"), key=lambda key: (key.name, key.made))

    def rotate(self, key: str, *, grace: timedelta) -> NewSecret:
        """A new secret for the same key (its id or name). The one before it goes on for ``grace``, any older one ends.

        Raises:
            ApiKeyNotFoundError: no valid key has that id or name.
            ApiKeyMovedError: somebody else rotated or revoked it at the same time.
        """
        found = self._found(key)
        secret = secrets.token_hex(32)
        now = _now()
        fields = {
            "hash": hash_of(secret),
            "previous_hash": found.hash if grace else None,
            "previous_until": now + grace if grace else None,
            "rotated": now,
        }
        # By the old hash too: of two rotations at once, one must not give out a secret that never works.
        if not self._documents.update(COLLECTION, {"id": found.id, "hash": found.hash, "revoked": None}, fields):
            raise ApiKeyMovedError(key=key)
        return NewSecret(_shown({**found.model_dump(), **fields}), text_of(found.id, secret))

    def revoke(self, key: str) -> ApiKey:
        """End a key (its id or name) for good.

        Raises:
            ApiKeyNotFoundError: no key that is not revoked already has that id or name.
        """
        found = self._found(key, expired=True)
        now = _now()
        while True:
            try:
                ended = self._documents.update(COLLECTION, {"id": found.id, "revoked": None}, {"revoked": now})
            except DocumentDuplicateError:
                # Another key of that name was revoked in the same millisecond, and name and time are unique together.
                now += timedelta(milliseconds=1)
                continue
            if not ended:
                raise ApiKeyMovedError(key=key)
            return _shown({**found.model_dump(), "revoked": now})

    def documents(self) -> list[Document]:
        """All keys as they are stored, in one order; `StoredKey` reads each."""
        return self._documents.find(COLLECTION, sort=[("made", 1), ("id", 1)])

    def mark_used(self, identity: str, at: datetime) -> None:
        self._documents.update(COLLECTION, {"id": identity}, {"used": at})

    def close(self) -> None:
        self._documents.close()

    def _found(self, key: str, *, expired: bool = False) -> StoredKey:
        for name in ("id", "name"):
            for document in self._documents.find(COLLECTION, {name: key, "revoked": None}):
                found = StoredKey.model_validate(document)
                if expired or found.state == "valid":
                    return found
        raise ApiKeyNotFoundError(key=key)


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal, as it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def text_of(identity: str, secret: str) -> str:
    """The key as its holder sends it."""
    return f"{PREFIX}{identity}_{secret}"


def lifetime_of(text: str, field: str = "expires") -> timedelta:
    """A length of time such as ``12h``, ``90d`` or ``4w``.

    Raises:
        InputInvalidError: it is none.
    """
    found = _LENGTH.fullmatch(text)
    if not found:
        raise InputInvalidError(field=field, problem=f"{text!r} is no length of time; write 12h, 90d or 4w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _check(name: str, scope: str, lifetime: timedelta | None) -> None:
    if not _NAME.fullmatch(name):
        problem = f"{name!r} cannot be one: it takes 1 to 64 letters, digits and . _ @ -, a letter or digit first"
        raise InputInvalidError(field="name", problem=problem)
    if name in {ANONYMOUS, BOOTSTRAP}:
        raise InputInvalidError(field="name", problem=f"{name!r} is what the service calls a caller without a key here")
    if scope not in SCOPES:
        raise InputInvalidError(field="scope", problem=f"{scope!r} is none; there are {', '.join(SCOPES)}")
    if lifetime is not None and lifetime <= timedelta(0):
        raise InputInvalidError(field="expires", problem="the key would never be valid")


def _shown(document: Document) -> ApiKey:
    return ApiKey.model_validate({name: document[name] for name in ApiKey.model_fields})


def _now() -> datetime:
    """In milliseconds, as the store keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
