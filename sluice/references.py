"""What stages pass to each other: names of things in the lake and the registry, never the things.

Light on purpose: a flow's process handles references only, and need not load what they point to.
"""

from pydantic import BaseModel, ConfigDict


class TableRef(BaseModel):
    """One version of one table, such as ``features/movies`` at 3."""

    model_config = ConfigDict(frozen=True)

    table: str
    version: int

    def __str__(self) -> str:
        return f"{self.table}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> "TableRef":
        """What ``str`` gave."""
        table, _, version = text.rpartition("@")
        return cls(table=table, version=int(version))


class ModelRef(BaseModel):
    """One registered version of one model."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"
