"""Errors of steps lose the secrets in them, and keep everything else."""

import pickle

import pytest
from pydantic import SecretStr

from flows import redacted as module
from flows.redacted import redacted
from observability.redaction import MASK, Redactor
from sluice.errors import ServiceUnavailableError, SluiceError
from sluice.settings import DocumentSettings, Settings

SECRET = "mongodb://sluice:hunter22@db/sluice"
REDACTOR = Redactor(Settings(documents=DocumentSettings(uri=SecretStr(SECRET))))


class OddError(Exception):
    """Its text is made of what nobody can change."""

    def __str__(self) -> str:
        return f"odd: {SECRET}"


class PositionalError(Exception):
    """Its arguments are an address and a number."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address, port)
        self.address = address


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_redactor", lambda: REDACTOR)


@pytest.mark.parametrize(
    "error",
    [
        OSError(f"connecting to {SECRET}"),
        FileNotFoundError(2, f"No such {SECRET}", SECRET),
        KeyError(SECRET),
        ValueError({"nested": [SECRET, {"deeper": SECRET}]}),
        PositionalError(SECRET, 27017),
        ServiceUnavailableError(service="The document store", address=SECRET, hint=f"{SECRET} is away"),
        ExceptionGroup("several", [OSError(SECRET), ValueError("another")]),
    ],
)
def test_the_same_error_without_the_secret(error: Exception) -> None:
    """Of every kind, also once it has travelled as a pickle; those it came from are clean as well."""
    error.add_note(f"while asking {SECRET}")
    wanted = REDACTOR.text(str(error))
    error.__cause__ = OSError(SECRET)
    with pytest.raises(type(error)) as caught, redacted():
        raise error
    assert caught.value is error
    assert str(error) == wanted
    for one in (error, error.__cause__, pickle.loads(pickle.dumps(error))):
        assert "hunter22" not in f"{one} {one!r} {one.args} {getattr(one, '__notes__', '')} {vars(one)}"  # type: ignore[union-attr]
    assert MASK in repr(error.__cause__)


def test_an_error_without_a_secret_is_as_it_was() -> None:
    """Arguments keep their types and their identity."""
    given = (("a", 1), ["b"], {"c": b"d"}, 2.5)
    with pytest.raises(ValueError, match="a") as caught, redacted():
        raise ValueError(*given)
    assert caught.value.args == given
    assert all(one is other for one, other in zip(caught.value.args, given, strict=True))


def test_an_error_that_cannot_be_changed_is_replaced() -> None:
    """By one that has its name and its text, redacted, and does not refer to it."""
    with pytest.raises(RuntimeError) as caught, redacted():
        raise OddError
    assert str(caught.value) == f"OddError: odd: {MASK}"
    assert caught.value.__suppress_context__


def test_a_field_of_an_error_of_ours_is_changed_where_it_is_read() -> None:
    error: SluiceError = ServiceUnavailableError(service="s", address=SECRET, hint="away")
    with pytest.raises(ServiceUnavailableError), redacted():
        raise error
    assert error.address == MASK
