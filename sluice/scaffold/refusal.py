"""What cannot be written."""

from sluice.errors import SluiceError


class ScaffoldRefusedError(SluiceError):
    """Fields: name, problem, hint."""

    status = 422
    template = "The use case {name!r} was not written: {problem}. {hint}"
