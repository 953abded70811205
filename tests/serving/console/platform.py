"""The JSON routes that pages ask, over a platform in memory: runs that take a second, tasks, releases.

The real ones are asked by tests/e2e/test_story_in_browser.py; here the pages are tried with what is rare there.
"""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from serving.exchange import read_json
from sluice.errors import InputInvalidError, RunNotFoundError
from tests.serving.fakes import FakeRegistry

SECONDS = 1.2
STAGES = ("ingest", "features", "train", "evaluate")
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf"
    "FcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_DICT = {"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}], "default": None}
SCHEMA = {
    "type": "object",
    "required": ["use_case"],
    "properties": {
        "use_case": {"title": "use_case", "type": "string", "position": 0},
        "params": {"title": "params", "position": 1, "description": "over those of use_case.yaml", **_DICT},
        "as_of": {
            "title": "as_of",
            "position": 2,
            "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}],
            "default": None,
            "description": "train on this version of the raw table",
        },
        "fresh": {"title": "fresh", "position": 3, "type": "boolean", "default": False, "description": "skip nothing"},
        "size": {"title": "size", "position": 4, "$ref": "#/definitions/Size"},
        "limit": {"title": "limit", "position": 5, "type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "schedule": {"title": "schedule", "position": 6, **_DICT},
    },
    "definitions": {"Size": {"enum": ["small", "large"], "type": "string", "default": "small"}},
}


class FakePlatform:
    """``down`` makes what Prefect would tell a 503."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.runs: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.reigns: dict[str, list[dict[str, Any]]] = {}
        self.cancelled: set[str] = set()
        for number in range(60):
            self.start("pipeline/movies", {"use_case": "movies"}, ago=3600.0 * (60 - number))

    def start(
        self, deployment: str, parameters: dict[str, Any], ago: float = 0.0, seconds: float = SECONDS
    ) -> dict[str, Any]:
        flow, use_case = deployment.split("/")
        run = {
            "id": f"{len(self.runs):08d}-0000-4000-8000-000000000000",
            "name": f"{flow}-{use_case}",
            "deployment": deployment,
            "flow": flow,
            "use_case": use_case,
            "at": time.time() - ago,
            "parameters": parameters,
            "seconds": seconds,
        }
        self.runs[run["id"]] = run
        return run

    def summary(self, run: dict[str, Any]) -> dict[str, Any]:
        passed = time.time() - run["at"]
        state = "Cancelled" if run["id"] in self.cancelled else "Completed" if passed > run["seconds"] else "Running"
        if state == "Completed" and run["parameters"].get("size") == "large":
            state = "Failed"
        over = state != "Running"
        return {
            **{name: run[name] for name in ("id", "name", "deployment", "flow", "use_case")},
            "state": state,
            "state_type": state.upper(),
            "message": "The large ones never fit." if state == "Failed" else "",
            "created": moment(run["at"]),
            "due": moment(run["at"]),
            "started": moment(run["at"]),
            "ended": moment(run["at"] + run["seconds"]) if over else None,
            "seconds": min(passed, run["seconds"]),
            "tags": ["sluice", run["use_case"]],
            "parent": None,
            "links": {},
        }

    def details(self, run: dict[str, Any]) -> dict[str, Any]:
        told = self.summary(run)
        part, done = run["seconds"] / len(STAGES), told["state"] != "Running"
        stages = []
        for number, flow in enumerate(STAGES):
            begin = run["at"] + number * part
            if begin > time.time():
                break
            over = begin + part < time.time()
            stages.append(
                {
                    "flow": flow,
                    "run": run["id"],
                    "state": "Completed" if over else "Running",
                    "state_type": "COMPLETED" if over else "RUNNING",
                    "started": moment(begin),
                    "ended": moment(begin + part) if over else None,
                    "seconds": part,
                    "unchanged": over and number < 2,
                }
            )
        return {
            **told,
            "parameters": run["parameters"],
            "stages": stages,
            "result": {"model": f"{run['use_case']}@2"} if done else None,
            "tasks": {"Completed": 4 * len(stages)},
            "artifacts": ARTIFACTS if done else [],
        }

    def find(self, id: str) -> dict[str, Any]:
        if id not in self.runs:
            raise RunNotFoundError(run=id)
        return self.runs[id]

    def router(self) -> APIRouter:
        router = APIRouter()
        self._add_runs(router)
        self._add_tasks(router)
        self._add_models(router)
        return router

    def _add_runs(self, router: APIRouter) -> None:
        @router.get("/deployments")
        async def deployments() -> Any:
            names = ("pipeline/movies", "pipeline/diabetes", "train/movies")
            shared = {"parameters_schema": SCHEMA, "description": "Ingest, features, train, evaluate.", "schedules": []}
            return {
                "deployments": [
                    {
                        "name": name,
                        "use_case": name.split("/")[1],
                        "parameters": {"use_case": name.split("/")[1]},
                        **shared,
                    }
                    for name in names
                ]
            }

        @router.post("/runs")
        async def start(request: Request) -> Response:
            body = read_json(await request.body())
            self.asked.append(body)
            if "bad" in (body["parameters"].get("params") or {}):
                raise InputInvalidError(field="parameters.params.bad", problem="no such parameter.")
            run = self.start(body["deployment"], {"use_case": body["deployment"].split("/")[1], **body["parameters"]})
            return JSONResponse(self.details(run), 201)

        @router.get("/runs")
        async def runs(limit: int = 50, cursor: int = 0, use_case: str = "", state: str = "") -> Any:
            every = [self.summary(run) for run in reversed(self.runs.values())]
            fit = [one for one in every if use_case in ("", one["use_case"]) and state in ("", one["state_type"])]
            end = cursor + limit
            return {"runs": fit[cursor:end], "next": str(end) if len(fit) > end else None}

        @router.get("/runs/{id}")
        async def run(id: str) -> Any:
            return self.details(self.find(id))

        @router.post("/runs/{id}/cancel")
        async def cancel(id: str) -> Any:
            self.cancelled.add(self.find(id)["id"])
            return self.details(self.find(id))

        @router.post("/runs/{id}/retry")
        async def retry(id: str) -> Any:
            self.find(id).update(at=time.time(), parameters={})
            return self.details(self.find(id))

        @router.get("/runs/{id}/logs")
        async def logs(id: str, follow: bool = False, level: str = "") -> Any:
            found = self.find(id)
            if follow:
                return StreamingResponse(self._events(found), media_type="text/event-stream")
            return {"lines": lines(found, 4), "next": None}

    async def _events(self, run: dict[str, Any]) -> AsyncIterator[str]:
        import asyncio

        for number in range(1, 5):
            yield f"event: line\ndata: {JSONResponse(lines(run, number)[-1]).body.decode()}\n\n"
            await asyncio.sleep(min(run["seconds"], SECONDS) / 4)
        while self.summary(run)["state"] == "Running":
            await asyncio.sleep(0.05)
        yield "event: end\nid: end\ndata: {}\n\n"

    def _add_tasks(self, router: APIRouter) -> None:
        @router.get("/tasks")
        async def tasks(name: str = "", format: str = "json") -> Any:
            if format == "csv":
                return Response("name,id\ntrain.fit,1\n", media_type="text/csv")
            return {"tasks": [one for one in TASKS if name in ("", one["name"])], "next": None}

        @router.get("/tasks/names")
        async def names() -> Any:
            group = {
                "count": 1,
                "states": {"Cached": 1, "TimedOut": 2},
                "runtime_mean": 1.25,
                "runtime_p95": 2.5,
                "last": moment(time.time()),
            }
            return [{"name": name, **group} for name in ("train.fit", "train.search")]

        @router.get("/tasks/{id}")
        async def task(id: str) -> Any:
            return next(one for one in TASKS if one["id"] == id)

        @router.get("/workers")
        async def workers() -> Any:
            return WORKERS

        @router.get("/logs")
        async def logs() -> Any:
            run = {"id": "", "at": time.time(), "use_case": "movies"}
            return {"lines": [{**one, "service": "serving"} for one in lines(run, 4)], "next": None}

        @router.get("/logs/services")
        async def services() -> Any:
            return {"services": ["serving", "prefect-worker"]}

    def _add_models(self, router: APIRouter) -> None:
        @router.get("/models/{name}/versions")
        async def versions(name: str) -> Any:
            champion = self.registry.find(name, alias="champion")
            return [
                {
                    "version": version.version,
                    "aliases": ["champion"] if champion and version.version == champion.version else [],
                    "created": moment(time.time() - 86400),
                    "run_id": version.run_id,
                    "metrics": {
                        "accuracy": 0.7 + int(version.version) / 50,
                        "roc_auc": 0.8 + int(version.version) / 100,
                    },
                    "params": {},
                    "links": {},
                }
                for version in reversed(self.registry.versions(name))
            ]

        @router.get("/models/{name}/history")
        async def history(name: str) -> Any:
            return list(reversed(self.reigns.get(name, [])))

        @router.post("/models/{name}/promote")
        async def promote(request: Request, name: str) -> Any:
            body = read_json(await request.body())
            return self._reign(name, body["version"], body.get("reason", ""))

        @router.post("/models/{name}/rollback")
        async def rollback(request: Request, name: str) -> Any:
            body = read_json(await request.body())
            return self._reign(name, self.reigns[name][-2]["version"], body.get("reason", ""))

        @router.get("/models/{name}/evaluation")
        @router.get("/models/{name}/versions/{version}/evaluation")
        async def evaluation(name: str, version: str = "1") -> Any:
            return {**(EVALUATION if name == "diabetes" else RANKING), "model": name, "version": version}

    def _reign(self, name: str, version: str, reason: str) -> dict[str, Any]:
        if version == "4":
            raise InputInvalidError(field="version", problem="there is no version 4.")
        now = moment(time.time())
        for reign in self.reigns.setdefault(name, []):
            reign["until"] = reign["until"] or now
        reign = {"model": name, "version": version, "by": "ann", "reason": reason, "since": now, "until": None}
        self.reigns[name].append(reign)
        self.registry.set_alias(name, "champion", version)
        return reign


def moment(seconds: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


def lines(run: dict[str, Any], count: int) -> list[dict[str, Any]]:
    texts = ("Reads the source", "<script>alert(1)</script> is text", "3 rows were refused", "It is done")
    levels = ("INFO", "INFO", "WARNING", "INFO")
    return [
        {
            "at": moment(run["at"] + number),
            "level": level,
            "message": text,
            "logger": "flows",
            "run": run["id"],
            "task": None,
        }
        for number, (level, text) in enumerate(zip(levels[:count], texts, strict=False))
    ]


ARTIFACTS = [
    {
        "key": "verdict",
        "type": "markdown",
        "description": None,
        "data": "# It **may**\n\n- `ndcg` is <i>good</i>\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
    },
    {
        "key": "metrics",
        "type": "table",
        "description": "On the **same** rows",
        "data": [{"metric": "ndcg", "value": 0.34}],
    },
    {"key": "plot", "type": "image", "description": None, "data": PIXEL},
    {"key": "elsewhere", "type": "image", "description": None, "data": "https://pictures.example/plot.png"},
    {"key": "labels", "type": None, "description": None, "data": {"deep": [1, 2]}},
]
TASKS = [
    {
        "id": f"1000000{number}-0000-4000-8000-000000000000",
        "name": f"train.{name}",
        "run": "00000059-0000-4000-8000-000000000000",
        "deployment": "train/movies",
        "worker": "tcp://127.0.0.1:40001",
        "parent": None if number else "10000001-0000-4000-8000-000000000000",
        "children": ["10000000-0000-4000-8000-000000000000"] if number else [],
        "arguments": {"plan": "<train of movies>", "k": "10"},
        "state": "Completed",
        "state_type": "COMPLETED",
        "received": moment(1.8e9),
        "started": moment(1.8e9 + 1),
        "succeeded": moment(1.8e9 + 3),
        "failed": None,
        "result": "ModelRef(movies@2)",
        "error": None,
        "timestamp": moment(1.8e9 + 3),
        "runtime": 2.0,
        "retries": 0,
    }
    for number, name in enumerate(("fit", "search"))
]
WORKERS = {
    "prefect": [
        {"name": "local", "pool": "sluice", "type": "process", "host": "here", "status": "ONLINE",
         "last_heartbeat": moment(1.8e9), "runs_in_hand": 0},
    ],
    "dask": [
        {"name": "0", "address": "tcp://127.0.0.1:40001", "host": "127.0.0.1", "pid": 7, "threads": 1,
         "memory": {"used": 3 << 30, "limit": 4 << 30}, "cpu": 97.0, "status": "running",
         "last_heartbeat": moment(1.8e9), "tasks_in_hand": 1, "tasks_done": 12},
    ],
    "problems": [],
}  # fmt: skip
_TRUE = [0, 0, 1, 1, 0, 1, 0, 0] * 15
_SAID = [0, 1, 1, 0, 0, 1, 0, 0] * 15
EVALUATION: dict[str, Any] = {
    "kind": "classification",
    "table": "features/diabetes@3",
    "at": moment(1.8e9),
    "metrics": {"accuracy": 0.75, "roc_auc": 0.83125, "brier_score": 0.161, "tn": 60, "fp": 15, "fn": 15, "tp": 30},
    "accuracy": 0.75,
    "classes": [0, 1],
    "confusion_matrix": [[60, 15], [15, 30]],
    "rows": 120,
    "labels": _TRUE,
    "predictions": _SAID,
    "probabilities": None,
    "shown": 120,
    "most": 10000,
    "ranking": None,
    "examples": None,
}
RANKING: dict[str, Any] = {
    "kind": "ranking",
    "table": "features/movies@0",
    "at": moment(1.8e9),
    "metrics": {"ndcg_at_10": 0.3421},
    "ranking": [{"k": 1, "ndcg": 0.4}, {"k": 10, "ndcg": 0.3421}],
    "examples": [
        {
            "user_id": 1,
            "liked": ["Alien (1979)"],
            "items": [{"item_id": 4, "title": "Blade Runner (1982)", "score": 1.0, "held_out": True}],
        }
    ],
}
