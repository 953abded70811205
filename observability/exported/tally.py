"""What was counted of each deployment's runs, and how far: one document, so that both are written together or not.

``exporter_tally`` has {id, revision, began, until, deployments, seen}. ``seen`` names states that were counted, and
when; what is older than any look goes back is left out. ``revision`` rises with each write, and a write onto another
revision than the one that was read does nothing: two exporters, of which one is about to end, do not count twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from observability.exported.deployments import Deployed
from observability.exported.endings import Ending, Start
from observability.exported.histogram import DELAY_BOUNDS, RUN_BOUNDS, Spread
from sluice.documents import DocumentStore
from sluice.errors import DocumentDuplicateError
from sluice.runs import FINAL

COLLECTION = "exporter_tally"
KEY = {"id": "flow_runs"}
STATES = tuple(sorted(state.lower() for state in FINAL))
# What `deployments.expiry` and `flows.due` call the state of a run that waited too long.
EXPIRED = "Expired"
_BROKEN = ("FAILED", "CRASHED")


class Count:
    """Of one deployment.

    Attributes:
        failed: the newest run that failed or crashed and that no success has followed.
        scheduled: since when it has the schedule that it has; None without an active one.
    """

    def __init__(self, deployment: Deployed, kept: Mapping[str, Any] | None = None) -> None:
        kept = kept or {}
        self.deployment = deployment
        self.states: dict[str, int] = {state: int((kept.get("states") or {}).get(state, 0)) for state in STATES}
        self.expired = int(kept.get("expired", 0))
        self.seconds = Spread(RUN_BOUNDS, kept.get("seconds"))
        self.delay = Spread(DELAY_BOUNDS, kept.get("delay"))
        self.succeeded: datetime | None = kept.get("succeeded")
        self.failed: dict[str, Any] | None = kept.get("failed")
        self._interval: float | None = kept.get("interval")
        self.scheduled: datetime | None = kept.get("scheduled")

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Count":
        """From a document; Prefect may not answer yet."""
        return cls(Deployed(kept["id"], kept["name"], kept["created"], None), kept)

    def follow(self, deployment: Deployed, now: datetime) -> bool:
        """The deployment as it is now; whether its schedule is another than before, or was resumed."""
        self.deployment = deployment
        if deployment.interval == self._interval:
            return False
        self._interval = deployment.interval
        self.scheduled = None if deployment.interval is None else now
        return True

    def add(self, ending: Ending) -> None:
        self.states[ending.type.lower()] += 1
        if ending.type == "CANCELLED":
            self.expired += ending.state_name == EXPIRED
        elif ending.seconds is not None:
            self.seconds.add(ending.seconds)
        self.note(ending)

    def note(self, ending: Ending) -> None:
        """Without counting it: what it says about the last success and the last failure."""
        if ending.type == "COMPLETED":
            if self.succeeded is None or ending.at > self.succeeded:
                self.succeeded = ending.at
            if self.failed is not None and self.failed["at"] <= ending.at:
                self.failed = None
        elif ending.type in _BROKEN:
            newest = max(filter(None, (self.succeeded, self.failed and self.failed["at"])), default=None)
            if newest is None or ending.at > newest:
                self.failed = {"run": ending.run_id, "name": ending.name, "at": ending.at}

    @property
    def document(self) -> dict[str, Any]:
        return {
            "id": self.deployment.id,
            "name": self.deployment.name,
            "created": self.deployment.created,
            "states": self.states,
            "expired": self.expired,
            "seconds": self.seconds.document,
            "delay": self.delay.document,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "interval": self._interval,
            "scheduled": self.scheduled,
        }


class Tally:
    """Read by `load`; nothing of it is to be shown to anybody before `save` has kept it.

    Attributes:
        began: when the first exporter began to count.
        until: up to then everything is counted.
    """

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self._revision = int(kept.get("revision", 0))
        self.began: datetime | None = kept.get("began")
        self.until: datetime | None = kept.get("until")
        self._seen: dict[str, datetime] = dict(kept.get("seen", ()))
        self.counts = {one["id"]: Count.of(one) for one in kept.get("deployments", ())}
        self.changed = False

    @classmethod
    def load(cls, store: DocumentStore) -> "Tally":
        store.unique(COLLECTION, ["id"])
        return cls(store.find_one(COLLECTION, KEY) or {})

    def keep(self, known: Mapping[str, Deployed], now: datetime) -> list[Count]:
        """Count these deployments and no others; gives those that are new."""
        new = [Count(one) for id, one in known.items() if id not in self.counts]
        gone = self.counts.keys() - known.keys()
        for id in gone:
            del self.counts[id]
        self.counts |= {count.deployment.id: count for count in new}
        rescheduled = [id for id, count in self.counts.items() if count.follow(known[id], now)]
        self.changed |= bool(new or gone or rescheduled)
        return new

    def begin(self, now: datetime) -> None:
        """Count from now on, if nobody did before."""
        if self.began is None:
            self.began = self.until = now
            self.changed = True

    def add(self, endings: Iterable[Ending], now: datetime) -> None:
        for ending in endings:
            if self._is_new(ending.state_id, ending.at, now) and (count := self.counts.get(ending.deployment_id)):
                count.add(ending)

    def add_starts(self, starts: Iterable[Start], now: datetime) -> None:
        for start in starts:
            if self._is_new(f"start {start.run_id}", start.at, now) and (count := self.counts.get(start.deployment_id)):
                count.delay.add(start.delay)

    def news(self, endings: Iterable[Ending]) -> list[Ending]:
        """Those that were not counted yet, for a look at whose they are."""
        return [ending for ending in endings if ending.state_id not in self._seen]

    def _is_new(self, key: str, at: datetime, now: datetime) -> bool:
        if key in self._seen or (self.began is not None and at < self.began):
            return False
        self._seen[key] = max(at, now)
        self.changed = True
        return True

    def save(self, store: DocumentStore, until: datetime, forget: datetime) -> bool:
        """Keep it, with what was seen since ``forget``; False when somebody else has written meanwhile."""
        self._seen = {key: at for key, at in self._seen.items() if at >= forget}
        document = {
            "revision": self._revision + 1,
            "began": self.began,
            "until": until,
            "deployments": [count.document for count in self.counts.values()],
            "seen": [[key, at] for key, at in self._seen.items()],
        }
        if self._revision:
            written = store.update(COLLECTION, {**KEY, "revision": self._revision}, document) == 1
        else:
            try:
                written = store.insert(COLLECTION, [{**KEY, **document}]) == 1
            except DocumentDuplicateError:
                written = False
        if written:
            self._revision += 1
            self.until, self.changed = until, False
        return written
