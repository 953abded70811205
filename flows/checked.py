"""What a check found. The flow's process holds it too, so this imports nothing that checking needs."""

from dataclasses import dataclass, field

from sluice.dataset import Dataset


@dataclass(frozen=True)
class Checked:
    """Rows by verdict.

    Attributes:
        known: how many rows the table has already, which are neither written nor refused.
        onto: the version of the raw table that this was found out with; -1 where there was none.
    """

    accepted: Dataset
    refused: Dataset
    known: int
    onto: int
    reasons: dict[str, int]
    metadata: dict[str, str] = field(default_factory=dict)
