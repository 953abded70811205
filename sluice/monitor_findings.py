"""What a run of the flow ``monitor`` found out about a model, as a document.

A document a run in ``<use case>_monitor``, with these fields and ``at`` (UTC), unique.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from sluice.documents import DocumentStore

# What stands among the features for the model's answer.
PREDICTION = "prediction"


class Drifted(BaseModel):
    """One column of what the model was asked, or its answer, against what it was trained on."""

    model_config = ConfigDict(frozen=True)

    feature: str
    score: float = Field(description="population stability index; 0: no difference")


class Drift(BaseModel):
    """``features`` are those that drifted most, first; empty where there was too little to compare."""

    model_config = ConfigDict(frozen=True)

    reference: str | None = Field(None, description="the version of the features table, such as features/movies@3")
    samples: int = Field(0, description="rows that were predicted for in the window, or as many as are looked at")
    threshold: float
    features: tuple[Drifted, ...] = ()


class Quality(BaseModel):
    """Of one version, by outcomes that were told of its predictions. ``metrics`` is empty below the minimum."""

    model_config = ConfigDict(frozen=True)

    alias: str
    version: str
    samples: int
    metrics: dict[str, float] = {}


class Uptake(BaseModel):
    """What became of recommendations that feedback told of. ``revenue`` is per recommendation."""

    model_config = ConfigDict(frozen=True)

    samples: int
    acceptance: float
    revenue: float | None = None


class Findings(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: datetime
    use_case: str
    champion: str | None = Field(None, description="the version that was looked at")
    drift: Drift
    quality: tuple[Quality, ...] = ()
    floors: dict[str, float] = {}
    lead: dict[str, float] = Field({}, description="challenger minus champion, by measure; above 0 it is better")
    uptake: Uptake | None = None
    notes: tuple[str, ...] = Field((), description="what could not be compared, and why")


class FindingsStore:
    """Of one use case. Every call may raise ServiceUnavailableError."""

    def __init__(self, documents: DocumentStore, use_case: str) -> None:
        self._documents = documents
        self._collection = f"{use_case}_monitor"

    def put(self, findings: Findings) -> None:
        """Once for a moment: the same again changes nothing."""
        self._documents.unique(self._collection, ["at"])
        document = findings.model_dump(mode="python")
        self._documents.upsert(self._collection, {"at": document.pop("at")}, document)

    def latest(self) -> Findings | None:
        found = self._documents.find_one(self._collection, sort=[("at", -1)])
        return None if found is None else Findings.model_validate(found)

    def since(self, moment: datetime) -> Sequence[Findings]:
        """Oldest first."""
        found = self._documents.find(self._collection, {"at": {"$gte": moment}}, sort=[("at", 1)])
        return [Findings.model_validate(one) for one in found]

    def drop(self, before: datetime) -> int:
        """Remove older ones but the newest; gives their number."""
        latest = self.latest()
        if latest is None:
            return 0
        return self._documents.delete(self._collection, {"at": {"$lt": min(before, latest.at)}})
