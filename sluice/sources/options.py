"""What ``source:`` may say: each kind has one of these."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Keys of ``source:`` beside ``kind``. A key that is not declared is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
