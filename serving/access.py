"""Who calls: an API key to a name and its scopes, from memory."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from math import inf
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import Literal

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import ValidationError

from serving.cookies import SAFE_METHODS, check_same_origin, key_in
from serving.key_copy import read_copy, write_copy
from serving.local_requests import Headers, check_local
from serving.scopes import PAGES, scope_of
from sluice.api_keys import ANONYMOUS, BOOTSTRAP, ID_LENGTH, KEY_LENGTH, PREFIX, SCOPES, ApiKeys, Scope, StoredKey
from sluice.documents import Document, DocumentStore
from sluice.request_errors import ApiKeyMissingError, ApiKeyRefusedError, ApiKeysUnknownError, ScopeMissingError

Reason = Literal["missing", "malformed", "unknown", "wrong", "expired", "revoked", "scope", "unavailable"]
REASONS: tuple[Reason, ...] = (
    "missing", "malformed", "unknown", "wrong", "expired", "revoked", "scope", "unavailable",
)  # fmt: skip
# RFC 6750, section 3: no error code for a request without a key.
CHALLENGE = 'Bearer realm="sluice"'
CHALLENGE_REFUSED = 'Bearer realm="sluice", error="invalid_token"'
RETRY_SECONDS = 5
# A time of last use is for a person who looks whether a key is still needed; more often would be a write a request.
USED_SECONDS = 3600.0
# A client with a wrong key tries as often as it can.
LOG_SECONDS = 60.0
CLOSE_SECONDS = 3.0
_PREFIX = PREFIX.encode()
_SEPARATOR, _UNDERSCORE = len(PREFIX) + ID_LENGTH, ord("_")
_ID = slice(len(PREFIX), len(PREFIX) + ID_LENGTH)
_SECRET = slice(len(PREFIX) + ID_LENGTH + 1, None)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the key's name, and its scopes with those that they include."""

    name: str
    scopes: frozenset[Scope]


@dataclass(slots=True)
class _Entry:
    """A key as a request is checked against it. Times are seconds since 1970; a revoked key's ``until`` is -inf."""

    caller: Caller
    digest: bytes
    until: float
    previous: bytes
    previous_until: float
    revoked: bool = False
    stored_use: float = 0.0
    used: float = 0.0


NOBODY = Caller(ANONYMOUS, frozenset())
ANYBODY = Caller(ANONYMOUS, frozenset(SCOPES))


class Access:
    """Checks keys against a snapshot in memory, which a thread reads anew from the document store.

    While the store is away, also across a restart, the keys that were read last go on. Ask from the event loop only.
    """

    def __init__(
        self,
        open_store: Callable[[], DocumentStore],
        copy: Path,
        required: bool,
        refresh_seconds: float,
        registry: CollectorRegistry,
        *,
        public: Iterable[str] = (),
        bootstrap_key: str = "",
    ) -> None:
        self._open_store = open_store
        self._copy = copy
        self._required = required
        self._seconds = refresh_seconds
        self._public = frozenset(path for name in public for path in PAGES[name])
        # No secret can be given for random bytes: whoever sends an unknown id is checked against this.
        self._nobody = _Entry(NOBODY, token_bytes(32), -inf, token_bytes(32), -inf)
        self._always = _bootstrap(bootstrap_key)
        self._entries = dict(self._always)
        self._documents: list[Document] | None = None
        self._copied: list[Document] | None = None
        self._told: dict[tuple[Reason, str], float] = {}
        self._failures = Counter(
            "sluice_authentication_failures",
            "Requests that were refused for their API key.",
            ("reason",),
            registry=registry,
        )
        for reason in REASONS:
            self._failures.labels(reason)
        self._seen = Gauge(
            "sluice_api_keys_last_success_timestamp_seconds",
            "When the API keys were last read from the document store.",
            registry=registry,
        )
        self._closing = threading.Event()
        # A daemon, since a store that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._follow, name="api-keys", daemon=True)

    def start(self) -> None:
        if not self._required:
            return
        if (documents := read_copy(self._copy)) is not None:
            self._take(documents)
            self._copied = documents
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether keys can be checked: they were read once, now or before the last restart."""
        return not self._required or self._documents is not None

    def admit(self, method: str, path: str, headers: Headers) -> Caller:
        """Who sends this request, when they may: `let_in` with the scope that `serving.scopes` wants."""
        scope = scope_of(method, path)
        if scope is None or path in self._public:
            return NOBODY
        return self.let_in(scope, headers, method)

    def let_in(self, scope: Scope, headers: Headers, method: str = "POST") -> Caller:
        """Who sends a request with these headers, when they have the scope. A browser's cookie is a key as well.

        Raises:
            ApiKeyMissingError, ApiKeyRefusedError, ApiKeysUnknownError: as `authenticate`.
            ScopeMissingError: the key does not have the scope.
            RequestForeignError: no key is needed, and the request is a web page's from elsewhere.
            RequestCrossSiteError: the key is a cookie, and a request that may change something is not of our pages.
        """
        if not self._required:
            check_local(headers, method)
            return ANYBODY
        authorization = api_key = cookies = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"x-api-key":
                api_key = value
            elif name == b"cookie":
                cookies = value if cookies is None else cookies + b";" + value
        if cookies is not None and authorization is None and api_key is None:
            api_key = key_in(cookies)
            if api_key is not None and method not in SAFE_METHODS:
                check_same_origin(headers)
        caller = self.authenticate(authorization, api_key)
        if scope not in caller.scopes:
            self._note("scope", caller.name)
            raise ScopeMissingError(caller=caller.name, scope=scope)
        return caller

    def authenticate(self, authorization: bytes | None, api_key: bytes | None) -> Caller:
        """Who holds the key in ``Authorization: Bearer`` or ``X-API-Key``; the latter wins, for gateways use the first.

        Raises:
            ApiKeyMissingError: there is none.
            ApiKeyRefusedError: it is wrong, has expired or was revoked.
            ApiKeysUnknownError: the keys were never read, so nobody can tell.
        """
        if not self._required:
            return ANYBODY
        if api_key is None:
            if authorization is None or authorization[:7].lower() != b"bearer ":
                raise self._missing()
            api_key = authorization[7:]
        if len(api_key) != KEY_LENGTH or not api_key.startswith(_PREFIX) or api_key[_SEPARATOR] != _UNDERSCORE:
            raise self._refused("malformed", "")
        entry = self._entries.get(api_key[_ID], self._nobody)
        digest = sha256(api_key[_SECRET]).digest()
        now = time()
        # Both are compared every time, so that the time taken tells nothing of a key.
        current = compare_digest(digest, entry.digest)
        previous = compare_digest(digest, entry.previous)
        if now < entry.until and (current or (previous and now < entry.previous_until)):
            entry.used = now
            return entry.caller
        raise self._why(entry, current or previous, now)

    def _missing(self) -> ApiKeyMissingError:
        # Not logged: a browser or a scanner comes without a key, and the metric counts it.
        self._failures.labels("missing").inc()
        return ApiKeyMissingError(challenge=CHALLENGE)

    def _why(self, entry: _Entry, known: bool, now: float) -> ApiKeyRefusedError | ApiKeysUnknownError:
        """The caller is not told; the log and the metric are."""
        if entry is self._nobody and self._documents is None:
            self._note("unavailable", "")
            return ApiKeysUnknownError(retry_after=RETRY_SECONDS)
        if entry is self._nobody:
            return self._refused("unknown", "")
        if not known:
            return self._refused("wrong", entry.caller.name)
        return self._refused("revoked" if entry.revoked else "expired", entry.caller.name)

    def _refused(self, reason: Reason, name: str) -> ApiKeyRefusedError:
        self._note(reason, name)
        return ApiKeyRefusedError(challenge=CHALLENGE_REFUSED)

    def _note(self, reason: Reason, name: str) -> None:
        self._failures.labels(reason).inc()
        now = time()
        # As many as there are keys and reasons; what a client typed is never in it.
        if now - self._told.get((reason, name), 0.0) >= LOG_SECONDS:
            self._told[reason, name] = now
            said = {"scope": "lacks a scope", "unavailable": "cannot be checked yet"}.get(reason, f"is {reason}")
            logger.warning("A request was refused: its API key{} {}.", f" of {name!r}" if name else "", said)

    def _follow(self) -> None:
        keys: ApiKeys | None = None
        failed = False
        while True:
            try:
                keys = keys or ApiKeys(self._open_store())
                self._refresh(keys)
                failed = False
            except Exception as error:
                if not failed:
                    logger.warning("API keys are not up to date, those that were read last go on: {}", error)
                failed = True
            if self._closing.wait(self._seconds):
                break
        if keys is not None:
            keys.close()

    def _refresh(self, keys: ApiKeys) -> None:
        documents = keys.documents()
        self._seen.set_to_current_time()
        if documents != self._documents:
            self._take(documents)
        # Tried until it is done: a restart must not bring a revoked key back.
        if documents != self._copied:
            write_copy(self._copy, documents)
            self._copied = documents
        for identity, entry in self._entries.items():
            if identity not in self._always and entry.used - entry.stored_use >= USED_SECONDS:
                keys.mark_used(identity.decode(), datetime.fromtimestamp(entry.used, UTC))
                entry.stored_use = entry.used

    def _take(self, documents: list[Document]) -> None:
        entries = dict(self._always)
        for document in documents:
            try:
                key = StoredKey.model_validate(document)
                identity, entry = key.id.encode(), _entry(key)
            except (ValidationError, ValueError):
                # Somebody wrote it by hand. The others must go on.
                logger.warning(
                    "The API key with the id {!r} is no valid document and is not let in.", document.get("id")
                )
                continue
            before = self._entries.get(identity)
            entry.used = max(entry.stored_use, before.used if before else 0.0)
            entries[identity] = entry
        # In one step: a request sees all of the old keys or all of the new ones.
        self._entries = entries
        self._documents = documents


def _entry(key: StoredKey) -> _Entry:
    until = -inf if key.revoked else _seconds(key.expires, inf)
    return _Entry(
        caller=Caller(key.name, _scopes(key.scope)),
        digest=bytes.fromhex(key.hash),
        until=until,
        previous=bytes.fromhex(key.previous_hash) if key.previous_hash else token_bytes(32),
        previous_until=_seconds(key.previous_until, -inf),
        revoked=key.revoked is not None,
        stored_use=_seconds(key.used, 0.0),
    )


def _bootstrap(key: str) -> dict[bytes, _Entry]:
    if not key:
        return {}
    text = key.encode()
    digest = sha256(text[_SECRET]).digest()
    return {text[_ID]: _Entry(Caller(BOOTSTRAP, _scopes("admin")), digest, inf, token_bytes(32), -inf)}


def _scopes(highest: Scope) -> frozenset[Scope]:
    return frozenset(SCOPES[: SCOPES.index(highest) + 1])


def _seconds(moment: datetime | None, without: float) -> float:
    return without if moment is None else moment.timestamp()
