"""Loki's HTTP API as its documentation describes it, on a real web server. A real Loki is not to be had in a test.

What it knows of LogQL: a selector with ``=`` and ``=~``, and the line filters ``|=`` and ``|~``.
"""

import json
import re
from typing import NamedTuple

from tests.website import Reply, Request, Website

_SELECTOR = re.compile(r'\{(?P<matchers>(?:\w+=~?"(?:[^"\\]|\\.)*"(?:, )?)+)\}(?P<filters>.*)', re.DOTALL)
_MATCHER = re.compile(r'(\w+)(=~?)("(?:[^"\\]|\\.)*")')
_FILTER = re.compile(r' \|([=~]) ("(?:[^"\\]|\\.)*")')
_MOST = 5000


class Pushed(NamedTuple):
    """``at`` in nanoseconds."""

    at: int
    labels: dict[str, str]
    text: str


class FakeLoki:
    """Holds lines, and answers ``query_range`` and ``label/service_name/values``.

    Args:
        authorization: what the header of that name must be; empty lets everybody in.
    """

    def __init__(self, site: Website, authorization: str = "") -> None:
        self.lines: list[Pushed] = []
        self.queries: list[str] = []
        self.url = site.url
        self._authorization = authorization
        site.routes["/loki/api/v1/query_range"] = self._query
        site.routes["/loki/api/v1/label/service_name/values"] = self._values

    def push(self, at: int, service: str, text: str, level: str = "INFO", **labels: str) -> None:
        self.lines.append(Pushed(at, {"service_name": service, "level": level, **labels}, text))

    def _query(self, request: Request) -> Reply:
        if self._authorization and request.headers.get("authorization") != self._authorization:
            return Reply("no org id", 401)
        query, params = request.params["query"], request.params
        self.queries.append(query)
        found = _SELECTOR.fullmatch(query)
        start, end, limit = int(params["start"]), int(params["end"]), int(params["limit"])
        if not found or start >= end or limit > _MOST:
            return Reply(f"parse error : {query}", 400)
        if end - start > 30 * 86400 * 10**9:
            return Reply("the query time range exceeds the limit (query length: 999h, limit: 30d1h)", 400)
        lines = [line for line in self.lines if start <= line.at < end and _matches(found, line)]
        lines.sort(key=lambda line: line.at, reverse=params["direction"] == "backward")
        streams: dict[str, dict[str, object]] = {}
        for line in lines[:limit]:
            stream = streams.setdefault(json.dumps(line.labels), {"stream": line.labels, "values": []})
            values = stream["values"]
            assert isinstance(values, list)
            values.append([str(line.at), line.text])
        data = {"resultType": "streams", "result": list(streams.values()), "stats": {}}
        return Reply(json.dumps({"status": "success", "data": data}), headers={"Content-Type": "application/json"})

    def _values(self, request: Request) -> Reply:
        names = {line.labels["service_name"] for line in self.lines}
        return Reply(json.dumps({"status": "success", "data": sorted(names)}))


def _matches(query: re.Match[str], line: Pushed) -> bool:
    for name, operator, quoted in _MATCHER.findall(query["matchers"]):
        wanted, value = json.loads(quoted), line.labels.get(name, "")
        if not (re.fullmatch(wanted, value) if operator == "=~" else wanted == value):
            return False
    for operator, quoted in _FILTER.findall(query["filters"]):
        wanted = json.loads(quoted)
        if not (re.search(wanted, line.text) if operator == "~" else wanted in line.text):
            return False
    return True
