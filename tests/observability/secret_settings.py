"""Every secret of the settings, found in the settings themselves: each gets a marker of its own."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from sluice.settings import PREFIX, SHORTEST_PASSWORD, Settings

# Of a setting's name, where its value is an address: it may have a password in it.
_ADDRESSES = ("uri", "url", "address")


def marker(variable: str) -> str:
    """64 hexadecimal digits, which every kind of secret accepts as its secret part."""
    return hashlib.sha256(variable.encode()).hexdigest()


def leaked(env: Mapping[str, str], *texts: str | bytes) -> list[str]:
    """The variables whose secret is in one of the texts."""
    together = b"\n".join(text.encode() if isinstance(text, str) else text for text in texts)
    return [variable for variable in env if marker(variable).encode() in together]


def secret_variables(addresses: dict[str, str]) -> dict[str, str]:
    """Environment variables that set every secret there is.

    Args:
        addresses: what an address is, by its variable, with ``{marker}`` for the password; others are at a port where
            nobody listens.
    """
    found: dict[str, str] = {}
    for path, annotation in _leaves(Settings):
        variable = PREFIX + "__".join(path).upper()
        secret = marker(variable)
        if annotation is SecretStr:
            found[variable] = _accepted(path, secret)
        elif get_origin(annotation) is dict and SecretStr in get_args(annotation):
            found[variable] = f'{{"key": "{secret}"}}'
        elif annotation is str and path[-1].rsplit("_", 1)[-1] in _ADDRESSES:
            found[variable] = addresses.get(variable, "http://user:{marker}@127.0.0.1:9").format(marker=secret)
    return found


def _leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _leaves(annotation, (*path, name))
        else:
            yield (*path, name), annotation


def _accepted(path: tuple[str, ...], secret: str) -> str:
    """The first of the forms that secrets have that the setting takes."""
    group: Any = Settings.model_fields[path[0]].annotation
    assert len(secret) >= SHORTEST_PASSWORD
    more = {"username": "user"} if "username" in group.model_fields else {}
    for form in ("user:{}", "sluice_bootstrapkey_{}", "{}"):
        if path[-1] == "uri":
            form = "mongodb://user:{}@127.0.0.1:9/?serverSelectionTimeoutMS=200"
        try:
            group(**more, **{path[-1]: form.format(secret)})
        except ValueError:
            continue
        # Where anything goes, a pair is as good as any: its second part is what must not be seen.
        return form.format(secret)
    raise AssertionError(f"no form of a secret that we know is accepted by {path}")
