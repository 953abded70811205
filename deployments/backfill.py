"""A flow over many windows of event time, some side by side: resumable, since what is done stands in Prefect."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.runs import FlowRun, PrefectRuns
from sluice.window import Window

TAG = "backfill"
_POLL_SECONDS = 0.5


@dataclass
class Slot:
    """One window, and its newest run where it has one. ``attempts`` counts its runs."""

    window: Window
    run: FlowRun | None = None
    attempts: int = 0

    @property
    def done(self) -> bool:
        return self.run is not None and self.run.completed

    @property
    def under_way(self) -> bool:
        return self.run is not None and not self.run.final

    @property
    def failed(self) -> bool:
        return self.run is not None and self.run.final and not self.run.completed


class Backfill:
    """``deployment`` over ``windows``, at most ``parallel`` at once.

    A window's run is found again by its parameters, so the same command goes on where an earlier one ended: what
    completed is left alone, what still runs is waited for, what failed or was never started is started.
    """

    def __init__(
        self,
        prefect: PrefectRuns,
        deployment: str,
        windows: Sequence[Window],
        params: Mapping[str, Any],
        parallel: int,
    ) -> None:
        self._prefect, self.deployment, self._parallel = prefect, deployment, parallel
        self._params = dict(params)
        self.slots = [Slot(window) for window in windows]
        self._find_earlier()

    def _find_earlier(self) -> None:
        found = self._prefect.request("GET", f"/deployments/name/{self.deployment}", missing_ok=True)
        by_window = {_identity(slot.window, self._params): slot for slot in self.slots}
        for run in self._prefect.runs_of(found["id"], tags={"all_": [TAG]}) if found else ():
            given = run.parameters
            slot = by_window.get(_identity(Window.model_validate(given["window"]), given.get("params") or {}))
            if slot is not None:
                slot.attempts += 1
                # A completed run counts, whatever was tried after it.
                if not slot.done:
                    slot.run = run

    def run(self, changed: Callable[[], None]) -> None:
        """Until every window has had its run; ``changed`` is called after each look.

        Stopping it in the middle leaves the runs that are under way to go on.
        """
        waiting = [slot for slot in self.slots if not slot.done and not slot.under_way]
        while waiting or any(slot.under_way for slot in self.slots):
            under_way = [slot for slot in self.slots if slot.under_way]
            for slot in under_way:
                assert slot.run is not None
                slot.run = self._prefect.read(slot.run.id)
            while waiting and sum(slot.under_way for slot in self.slots) < self._parallel:
                self._start(waiting.pop(0))
            changed()
            time.sleep(_POLL_SECONDS)
        changed()

    def _start(self, slot: Slot) -> None:
        identity = _identity(slot.window, self._params)
        slot.run = self._prefect.start(
            self.deployment,
            {
                "window": slot.window.model_dump(mode="json"),
                "parallel": self._parallel,
                **({"params": self._params} if self._params else {}),
            },
            # Two backfills of the same windows at once share their runs.
            idempotency_key=f"{TAG} {self.deployment} {identity} {slot.attempts}",
            tags=[TAG],
        )
        slot.attempts += 1


def _identity(window: Window, params: Mapping[str, Any]) -> str:
    return json.dumps([window.model_dump(mode="json"), params], sort_keys=True)
