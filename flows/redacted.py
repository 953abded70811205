"""No secret in the text of an error that leaves a step: Prefect keeps that text as the state of the task and run."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from observability.redaction import Redactor
from sluice.settings import Settings


@contextmanager
def redacted() -> Iterator[None]:
    """Errors leave this block without secrets, those that they came from too.

    Raises:
        RuntimeError: with the same text, redacted, in place of an error that builds its text of something else than
            its arguments and attributes.
    """
    try:
        yield
    except Exception as error:
        redactor = _redactor()
        if not redactor.error(error):
            raise RuntimeError(f"{type(error).__name__}: {redactor.text(str(error))}") from None
        raise


@cache
def _redactor() -> Redactor:
    return Redactor(Settings.load())
