"""What a client sends to release a version, and what it is told."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, field_validator

from serving.exchange import read_as
from serving.model_key import ModelKey
from serving.schemas import ModelStatus
from sluice.errors import InputInvalidError
from sluice.promotions import Promotion

LONGEST_REASON = 1000
Number = StrictInt | StrictStr


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, content: Any) -> Self:
        """Of the JSON that a client sent.

        Raises:
            InputInvalidError: naming the field that is wrong.
        """
        # A number that may be written as text is a union, whose members stand behind the field.
        return read_as(cls, content, depth=1)

    @field_validator("reason", check_fields=False)
    @classmethod
    def _one_line(cls, reason: str) -> str:
        # It is shown on terminals and pages.
        return " ".join("".join(one if one.isprintable() else " " for one in reason).split())


class PromoteBody(_Body):
    version: Number = Field(description="the registered version that is to be champion")
    reason: str = Field("promoted over HTTP", max_length=LONGEST_REASON, description="kept in the history")


class RollbackBody(_Body):
    to: Number | None = Field(None, description="a version; the champion before this one if left out")
    reason: str = Field("rolled back over HTTP", max_length=LONGEST_REASON, description="kept in the history")


class Released(Promotion):
    """The promotion, and what this service makes of it: a version that it cannot load is in ``serving.refused``."""

    serving: ModelStatus


def number(name: str, version: int | str, field: str = "version") -> str:
    """A version as the registry writes it.

    Raises:
        InputInvalidError: it is no whole number.
    """
    try:
        found = ModelKey.of(name, version=str(version)).version
    except InputInvalidError as error:
        raise InputInvalidError(field=field, problem=error.problem) from None
    assert found is not None
    return found
