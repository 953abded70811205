"""The service on HTTP: paths, parameters, headers. What it does is in `serving.handlers`."""

from typing import Annotated
from urllib.parse import quote

import mlflow
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry

from observability.metrics import exposition
from serving.handlers import Handlers
from serving.schemas import Alive, ModelList, ModelStatus, Readiness, Recommendations

MOST_ITEMS = 1000
MODEL_HEADER = "X-Sluice-Model"
VERSION_HEADER = "X-Sluice-Model-Version"

Model = Annotated[str | None, Query(description="the registered model; not needed when there is only one")]

_INVOCATION_BODY = {
    "requestBody": {
        "required": True,
        "description": "exactly one of the four forms, and optionally params",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "dataframe_split": {"type": "object"},
                        "dataframe_records": {"type": "array", "items": {"type": "object"}},
                        "instances": {"type": "array", "items": {}},
                        "inputs": {},
                        "params": {"type": "object"},
                    },
                    "example": {"dataframe_split": {"columns": ["user_id"], "data": [[1]]}, "params": {"k": 5}},
                }
            },
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


def routes(handlers: Handlers, registry: CollectorRegistry, version: str) -> APIRouter:
    """All routes of the service, bound to one process's handlers and metrics."""
    router = APIRouter()
    _add_predictions(router, handlers)
    _add_models(router, handlers)
    _add_protocol(router)
    _add_operations(router, handlers, registry, version)
    return router


def _add_predictions(router: APIRouter, handlers: Handlers) -> None:
    @router.get("/recommendations/{user_id}", tags=["predictions"])
    async def recommendations(
        user_id: Annotated[str, Path(max_length=256)],
        k: Annotated[int, Query(ge=1, le=MOST_ITEMS, description="how many items")] = 10,
        model: Annotated[str, Query(description="the recommender")] = "movies",
    ) -> Recommendations:
        """The best items that the user has not seen. An unknown user gets the popular ones."""
        return await handlers.recommend(user_id, k, model)

    @router.post("/invocations", tags=["predictions"], response_class=Response, openapi_extra=_INVOCATION_BODY)
    async def invocations(request: Request, model: Model = None) -> Response:
        """MLflow's scoring protocol. Headers say which model and version answered."""
        scored = await handlers.invoke(model, await request.body(), request.headers.get("content-type", ""))
        headers = {MODEL_HEADER: quote(scored.model), VERSION_HEADER: quote(scored.version)}
        return Response(scored.body, headers=headers, media_type="application/json")


def _add_models(router: APIRouter, handlers: Handlers) -> None:
    @router.get("/models", tags=["models"])
    async def models() -> ModelList:
        """The models that answer, and since when with which version."""
        return ModelList(models=handlers.models())

    @router.get("/models/{name}", tags=["models"])
    async def model(name: str) -> ModelStatus:
        """One model, loaded now if it was not asked for before."""
        return await handlers.model(name)


def _add_protocol(router: APIRouter) -> None:
    """What MLflow's own server answers, byte for byte."""

    @router.get("/ping", tags=["mlflow"], response_class=Response)
    @router.get("/health", tags=["mlflow"], response_class=Response)
    async def ping() -> Response:
        """MLflow's health check: the process answers. `/readyz` tells of models."""
        return Response("\n", media_type="application/json")

    @router.get("/version", tags=["mlflow"], response_class=Response)
    async def version() -> Response:
        """The version of MLflow."""
        return Response(mlflow.__version__, media_type="application/json")


def _add_operations(router: APIRouter, handlers: Handlers, registry: CollectorRegistry, version: str) -> None:
    @router.get("/livez", tags=["operations"])
    async def livez() -> Alive:
        """The process answers; if this fails, restart it."""
        return Alive(version=version)

    @router.get("/readyz", tags=["operations"], responses={503: {"model": Readiness}}, response_model=Readiness)
    async def readyz() -> Response:
        """Whether to send requests here: 503 while a required model is not loaded."""
        readiness = handlers.readiness()
        return JSONResponse(readiness.model_dump(mode="json"), 200 if readiness.ready else 503)

    @router.get("/metrics", tags=["operations"], response_class=Response)
    async def metrics(request: Request) -> Response:
        """Prometheus metrics of this process."""
        body, content_type = exposition(registry, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})
