"""The promotion history: which version was champion from when to when, who made it so, and on which numbers.

Intent, alias, confirmation: the history says what was meant before the registry's alias moves and confirms it
afterwards, so a process that dies in between leaves something that `PromotionHistory.reconcile` can finish.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from sluice.documents import DocumentStore
from sluice.errors import RollbackImpossibleError
from sluice.models import ModelRegistry

CHAMPION = "champion"
COLLECTION = "model_promotions"
# An intent that is younger may belong to a process that is about to move the alias.
_INTENT_LIVES = timedelta(seconds=60)


class Promotion(BaseModel):
    """One reign.

    Attributes:
        until: None for the champion of today.
        external: somebody moved the alias in the registry, past Sluice.
        rollback: it goes back to an earlier champion, and so takes those after that one off the way back.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    previous: str | None
    by: str
    reason: str
    metrics: dict[str, float]
    champion_metrics: dict[str, float]
    since: datetime
    until: datetime | None
    external: bool
    rollback: bool = False


class PromotionHistory:
    """Reads and writes the history in the document store, next to the alias in the registry."""

    def __init__(self, documents: DocumentStore, registry: ModelRegistry) -> None:
        self._documents = documents
        self._registry = registry

    def promote(
        self,
        name: str,
        version: str,
        *,
        by: str,
        reason: str,
        metrics: Mapping[str, float] | None = None,
        champion_metrics: Mapping[str, float] | None = None,
        rollback: bool = False,
    ) -> Promotion:
        """Make a version champion. Promoting the champion again changes nothing.

        Raises:
            ModelNotFoundError: no such version; nothing is recorded.
        """
        self.reconcile(name)
        version = self._registry.get(name, version=version).version  # as the registry writes it: 1, not 01
        reigning = self.champion(name)
        if reigning is not None and reigning.version == version:
            return reigning
        identity = uuid.uuid4().hex
        record = Promotion(
            model=name,
            version=version,
            previous=None if reigning is None else reigning.version,
            by=by,
            reason=reason,
            metrics=dict(metrics or {}),
            champion_metrics=dict(champion_metrics or {}),
            since=_beginning(reigning),
            until=None,
            external=False,
            rollback=rollback,
        )
        self._documents.insert(COLLECTION, [{"id": identity, "confirmed": False, **record.model_dump()}])
        self._registry.set_alias(name, CHAMPION, version)
        self._confirm(name, identity)
        champion = self.champion(name)
        assert champion is not None, "a confirmed promotion is the champion"
        return champion

    def rollback(self, name: str, *, by: str, reason: str, to: str | None = None) -> Promotion:
        """Make an earlier version champion: ``to``, or the champion before this one.

        Going back twice goes back two champions: what was gone back from is not gone back to.

        Raises:
            ModelNotFoundError: there is no version ``to``.
            RollbackImpossibleError: there is no champion, none before it, or that one is not in the registry any more.
        """
        self.reconcile(name)
        return self.promote(name, to or self._before(name), by=by, reason=reason, rollback=True)

    def _before(self, name: str) -> str:
        standing = _standing(self.history(name))
        if len(standing) < 2:
            raise RollbackImpossibleError(
                model=name, problem="no champion was before this one" if standing else "it has no champion"
            )
        if self._registry.find(name, version=standing[-2]) is None:
            problem = f"version {standing[-2]}, the champion before this one, is not in the registry any more"
            raise RollbackImpossibleError(model=name, problem=problem)
        return standing[-2]

    def reconcile(self, name: str) -> None:
        """Finish what a dead process left: confirm intents whose alias moved, drop the others, record outside moves."""
        alias = self._registry.find(name, alias=CHAMPION)
        current = None if alias is None else alias.version
        for intent in self._find(name, confirmed=False):
            if intent["version"] == current:
                self._confirm(name, intent["id"])
            elif datetime.now(UTC) - intent["since"] > _INTENT_LIVES:
                self._documents.delete(COLLECTION, {"id": intent["id"]})
        reigning = self.champion(name)
        if current is not None and (reigning is None or reigning.version != current):
            self._record_external(name, current, reigning)

    def history(self, name: str) -> list[Promotion]:
        """Confirmed reigns, newest first; each ends when the next one begins."""
        reigns = self._find(name, confirmed=True)
        ends = [None, *(reign["since"] for reign in reigns)]
        return [Promotion(**_fields(reign) | {"until": end}) for reign, end in zip(reigns, ends, strict=False)]

    def champion(self, name: str) -> Promotion | None:
        return next(iter(self.history(name)), None)

    def _find(self, name: str, *, confirmed: bool) -> list[dict[str, Any]]:
        return self._documents.find(COLLECTION, {"model": name, "confirmed": confirmed}, sort=[("since", -1)])

    def _confirm(self, name: str, identity: str) -> None:
        self._documents.update(COLLECTION, {"model": name, "id": identity}, {"confirmed": True})

    def _record_external(self, name: str, version: str, reigning: Promotion | None) -> None:
        record = Promotion(
            model=name,
            version=version,
            previous=None if reigning is None else reigning.version,
            by="unknown",
            reason="the alias was moved in the registry, not through Sluice",
            metrics={},
            champion_metrics={},
            since=_beginning(reigning),
            until=None,
            external=True,
        )
        self._documents.insert(COLLECTION, [{"id": uuid.uuid4().hex, "confirmed": True, **record.model_dump()}])


def _standing(reigns: list[Promotion]) -> list[str]:
    """The champions that lead to the one of today, which is last. ``reigns`` are newest first."""
    standing: list[str] = []
    for reign in reversed(reigns):
        if reign.rollback and reign.version in standing:
            while standing[-1] != reign.version:
                standing.pop()
        elif standing[-1:] != [reign.version]:
            standing.append(reign.version)
    return standing


def _beginning(before: Promotion | None) -> datetime:
    """Now, but later than the reign ``before``: stores keep milliseconds, and who came last must be clear."""
    now = datetime.now(UTC)
    return now if before is None else max(now, before.since + timedelta(milliseconds=1))


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in Promotion.model_fields if name in document}
