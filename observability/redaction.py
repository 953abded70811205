"""Secrets out of log lines, whoever logged them: a driver's exception may quote a whole connection string."""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import BaseModel, SecretStr

MASK = "**********"
# Storage options are all secret by type, "true" and "eu" among them; masking such words would
# make every other line unreadable and hide nothing.
SHORTEST = 6
# Also one that lost its end or its case on the way; the id, which finds the key in `sluice keys list`, stays. Names of
# metrics begin in the same way, but have no part as long.
_API_KEY = re.compile(r"(sluice_[0-9a-z]{12}_)[0-9A-Za-z]{16,}")


class Redactor:
    """Replaces each secret of a settings object, and the secret of any API key, wherever it stands in a text."""

    def __init__(self, settings: BaseModel) -> None:
        found = {secret for secret in secrets_of(settings) if len(secret) >= SHORTEST}
        # The longest first: a connection string goes as a whole, before the password within it.
        self._secrets = sorted(found, key=len, reverse=True)
        self._in_json = [orjson.dumps(secret).decode()[1:-1] for secret in self._secrets]

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return _API_KEY.sub(rf"\1{MASK}", text) if "sluice_" in text else text

    def finds_in_json(self, document: str) -> bool:
        """Whether a JSON document may have a secret in it. Seldom one without: a secret may look like a key's name."""
        if any(secret in document for secret in self._in_json):
            return True
        return "sluice_" in document and _API_KEY.search(document) is not None

    def error(self, error: BaseException) -> bool:
        """Redact an exception in place, and those it came from; whether its text has no secret now.

        Only what its text can be made of is changed: arguments, attributes, and what the system said of a file.
        """
        for one in _chain(error):
            if not isinstance(one, BaseExceptionGroup):  # whose second is the others
                one.args = tuple(map(self._part, one.args))
            vars(one).update({name: self._part(item) for name, item in vars(one).items() if name != "__notes__"})
            if isinstance(one, OSError) and one.strerror is not None:  # once it is set, it is what the text is made of
                one.strerror, one.filename = self._part(one.strerror), self._part(one.filename)
            if notes := getattr(one, "__notes__", None):
                one.__notes__ = [self.text(note) for note in notes]
        try:
            text = str(error)
        except Exception:  # its own: who cannot be put into words tells nothing
            return True
        return self.text(text) == text

    def _part(self, value: Any) -> Any:
        # As it was where there is no secret in it: an exception may count on its arguments' types.
        if not isinstance(value, str | dict | list | tuple) or self.text(repr(value)) == repr(value):
            return value
        return tuple(self.value(value)) if isinstance(value, tuple) else self.value(value)

    def value(self, value: Any) -> Any:
        """A copy of a JSON-like value with every string in it redacted; dictionary keys stay."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple():
                return [self.value(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self.text(str(value))


def secrets_of(value: Any) -> Iterator[str]:
    """Every secret within settings: `SecretStr` fields, and the passwords inside addresses."""
    match value:
        case SecretStr():
            yield value.get_secret_value()
            yield from _passwords(value.get_secret_value())
            yield from _of_pair(value.get_secret_value())
        case str():
            yield from _passwords(value)
        case BaseModel():
            for name in type(value).model_fields:
                yield from secrets_of(getattr(value, name))
        case dict():
            for item in value.values():
                yield from secrets_of(item)
        case list() | tuple():
            for item in value:
                yield from secrets_of(item)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what caused it, and what it happened in, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _of_pair(text: str) -> Iterator[str]:
    """The password in ``user:password``, and the pair as an HTTP header has it."""
    _, colon, password = text.partition(":")
    if colon and not password.startswith("//"):
        yield password
        yield b64encode(text.encode()).decode()


def _passwords(address: str) -> Iterator[str]:
    """The password in ``scheme://user:password@host``, as written and as the driver sees it."""
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
