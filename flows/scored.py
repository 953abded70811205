"""What a table's scoring gave. The flow's process holds it too, so this imports nothing that scoring needs."""

from dataclasses import dataclass

from sluice.dataset import Dataset


@dataclass(frozen=True)
class Scored:
    """Staged, not committed.

    Attributes:
        predictions: a row for each that was asked about, those without an answer included.
        reasons: how many rows have no answer, by why.
        seconds: from the first partition's start to the last one's end.
    """

    predictions: Dataset
    reasons: dict[str, int]
    seconds: float
