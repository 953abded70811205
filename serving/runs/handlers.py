"""What the service does with runs, without HTTP."""

from collections.abc import Mapping
from typing import Any

from serving.exchange import read_as
from serving.operations import Operations
from serving.runs.log_stream import LogStream, Streams
from serving.runs.schemas import LineList, RunBody, RunList, RunQuery
from sluice import run_control, run_request
from sluice.deployment_listing import DeploymentListing, DeploymentStatus
from sluice.errors import InputInvalidError, RunNotFoundError
from sluice.forgotten_runs import ForgottenRuns
from sluice.moment import moment
from sluice.paging import Cursor, Position
from sluice.run_details import RunDetails, find, is_id
from sluice.run_filter import NONE, RunFilter
from sluice.run_follower import RunFollower
from sluice.run_listing import RunListing
from sluice.run_logs import LogLine, RunLogs, level_of
from sluice.run_names import RunNames
from sluice.run_request import RunRequest
from sluice.run_summary import Run


class RunHandlers:
    """Over the Prefect server and the document store of `Operations`."""

    def __init__(self, operations: Operations, streams: Streams) -> None:
        self._operations, self._streams = operations, streams
        self._prefect = operations.prefect
        self._names = RunNames.of(self._prefect, operations.settings)
        self._forgotten = ForgottenRuns(self._prefect, lambda: operations.documents)
        self._listing = RunListing(self._prefect, self._names, self._forgotten)
        self._details = RunDetails(self._prefect, self._names, self._forgotten)
        self._deployments = DeploymentListing(self._prefect)
        self._logs = RunLogs(self._prefect)

    async def deployments(self) -> list[DeploymentStatus]:
        return await self._operations.call(self._deployments.every)

    async def start(self, body: Any, caller: str, key: str, traceparent: str) -> tuple[Run, bool]:
        """The run, and whether it was made now.

        Args:
            key: the idempotency key that came as a header.

        Raises:
            DeploymentNotFoundError, InputInvalidError: nothing was started.
        """
        asked = read_as(RunBody, body)
        if key and asked.idempotency_key and key != asked.idempotency_key:
            problem = "the header Idempotency-Key has another one. Send it once."
            raise InputInvalidError(field="idempotency_key", problem=problem)
        if key:
            asked = read_as(RunBody, {**body, "idempotency_key": key})
        request = RunRequest(asked.deployment, asked.parameters, caller, asked.idempotency_key or "", traceparent)
        return await self._operations.call(self._start, request)

    def _start(self, request: RunRequest) -> tuple[Run, bool]:
        started = run_request.start(self._prefect, request)
        if not started.made:
            return self._details.of(started.run), False
        # It has nothing yet that could be looked up, and an outage now must not hide that it was started.
        return Run(**self._names.summary(started.run).model_dump(), parameters=started.run.parameters), True

    async def page(self, query: RunQuery) -> RunList:
        """
        Raises:
            InputInvalidError: naming the part of the query that is wrong.
        """
        wanted = _filter(query)
        page = await self._operations.call(self._listing.page, wanted, query.cursor, query.limit)
        return RunList(runs=page.runs, next=page.next)

    async def read(self, run_id: str) -> Run:
        """
        Raises:
            RunNotFoundError: there is no such run.
        """
        return await self._operations.call(self._details.read, run_id)

    async def cancel(self, run_id: str, caller: str) -> tuple[Run, bool]:
        """The run, and whether it is over: then there was nothing to end."""
        return await self._operations.call(self._cancel, run_id, caller)

    def _cancel(self, run_id: str, caller: str) -> tuple[Run, bool]:
        over = find(self._prefect, run_id).final
        return self._details.of(run_control.cancel(self._prefect, run_id, caller)), over

    async def retry(self, run_id: str, caller: str) -> Run:
        """
        Raises:
            RunNotFoundError: there is no such run.
            RunUnderWayError, RunRetryRefusedError: it is not over, or not to be tried again.
        """
        return await self._operations.call(self._retry, run_id, caller)

    def _retry(self, run_id: str, caller: str) -> Run:
        return self._details.of(run_control.retry(self._prefect, run_id, caller))

    async def lines(self, run_id: str, level: str, limit: int, cursor: str) -> LineList:
        """A page of a run's log, with the lines of its stages. Of a run that Prefect has forgotten there are none.

        Raises:
            RunNotFoundError: there is no such run.
            InputInvalidError: the level or the cursor is none.
        """
        after = Cursor.parse(cursor).position if cursor else None
        lines, following = await self._operations.call(self._lines, run_id, level_of(level), limit, after)
        return LineList(lines=lines, next=following)

    def _lines(self, run_id: str, level: int, limit: int, after: Position | None) -> tuple[list[LogLine], str | None]:
        try:
            run = find(self._prefect, run_id)
        except RunNotFoundError:
            self._details.read(run_id)
            return [], None
        children = self._prefect.children(run.id)
        return self._logs.page([run.id, *(child.id for child in children)], level, after, limit)

    async def follow(self, run_id: str, level: str, cursor: str) -> LogStream:
        """What happens in a run from now on, and its log from the start, or from after the cursor.

        Raises:
            RunNotFoundError: Prefect has no such run.
            InputInvalidError: the level or the cursor is none.
            StreamsTakenError: as many are followed as may be.
        """
        least = level_of(level)
        after: Position | None = Cursor.parse(cursor).position if cursor else None
        run = await self._operations.call(find, self._prefect, run_id)
        follower = RunFollower(self._prefect, self._names, run, least, after)
        return LogStream(self._streams, lambda: self._operations.finish(follower.look))


def _filter(query: RunQuery) -> RunFilter | None:
    texts: Mapping[str, str | None] = {
        "deployment": query.deployment,
        "flow": query.flow,
        "use_case": query.use_case,
        "state": query.state,
    }
    for field, text in texts.items():
        if "\0" in (text or ""):
            raise InputInvalidError(field=field, problem="has a NUL character.")
    if query.parent and query.parent != NONE and not is_id(query.parent):
        problem = f"is no run's id, nor {NONE!r} for the runs that no other run started."
        raise InputInvalidError(field="parent", problem=problem)
    return RunFilter.of(
        query.deployment,
        query.flow,
        query.use_case,
        states=tuple(filter(None, (state.strip() for state in (query.state or "").split(",")))),
        since=moment(query.since, "since") if query.since else None,
        until=moment(query.until, "until") if query.until else None,
        parent=query.parent or None,
    )
