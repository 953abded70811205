"""Every error is one sentence for a person and data for a program, also on the other side of a process."""

import pickle
import string
from typing import Any

import cloudpickle
import pytest

import sluice.errors
import sluice.request_errors
from sluice.errors import ServiceUnavailableError, SluiceError

LEAVES = [
    error
    for error in {**vars(sluice.errors), **vars(sluice.request_errors)}.values()
    if isinstance(error, type) and issubclass(error, SluiceError) and error is not SluiceError
]


def fields_of(error: type[SluiceError]) -> dict[str, Any]:
    """A value for every field of the template, as the format wants it."""
    wanted = {name: spec for _, name, spec, _ in string.Formatter().parse(error.template) if name is not None}
    return {name: 0.25 if spec else f"some {name}" for name, spec in wanted.items()}


@pytest.mark.parametrize("error", LEAVES)
def test_an_error_is_one_line_that_names_its_data(error: type[SluiceError]) -> None:
    """All fields are in the text, in a sentence of one line, and are attributes."""
    fields = fields_of(error)
    raised = error(**fields)
    assert all(str(value) in str(raised) for value in fields.values() if isinstance(value, str))
    assert "\n" not in str(raised)
    assert "{" not in str(raised)
    assert all(getattr(raised, name) == value for name, value in fields.items())
    assert repr(raised) == f"{error.__name__}: {raised}"


@pytest.mark.parametrize("error", LEAVES)
@pytest.mark.parametrize("by", [pickle, cloudpickle])
def test_an_error_travels_from_a_worker(error: type[SluiceError], by: Any) -> None:
    """Exceptions come back from Dask by pickle: type, fields and text are the same."""
    raised = error(**fields_of(error))
    arrived = pickle.loads(by.dumps(raised))
    assert type(arrived) is error
    assert arrived.fields == raised.fields
    assert str(arrived) == str(raised)


@pytest.mark.parametrize("error", LEAVES)
def test_an_error_tells_a_service_how_to_answer(error: type[SluiceError]) -> None:
    """Its status is one of an HTTP error, and its docstring names the fields that its text has."""
    assert 400 <= error.status < 600
    documented = (error.__doc__ or "").split(".")[0]
    assert all(name in documented for name in fields_of(error)), documented


def test_a_field_that_is_none_is_an_attribute_error() -> None:
    """As for any object, so that copying and inspecting an error works."""
    raised = ServiceUnavailableError(service="MLflow", address="here", hint="")
    with pytest.raises(AttributeError, match="ServiceUnavailableError has no field 'port'"):
        _ = raised.port
    assert not hasattr(SluiceError.__new__(SluiceError), "anything")
