"""What a check found. The flow's process holds it too, so this imports nothing that checking needs."""

from dataclasses import dataclass, field

from sluice.dataset import Dataset
from sluice.distribution import Profile


@dataclass(frozen=True)
class Checked:
    """Rows by verdict.

    Attributes:
        known: how many rows the table has already, which are neither written nor refused.
        onto: the version of the raw table that this was found out with; -1 where there was none.
        profile: of the accepted rows.
    """

    accepted: Dataset
    refused: Dataset
    known: int
    onto: int
    reasons: dict[str, int]
    profile: Profile
    metadata: dict[str, str] = field(default_factory=dict)
