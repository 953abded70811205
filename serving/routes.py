"""The service on FastAPI: paths, parameters, documentation. What it does is in `serving.handlers` and beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any

import mlflow
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.errors import response
from serving.exchange import Answer, Call, read_json
from serving.feedback import Feedback, FeedbackAnswer, FeedbackBody
from serving.handlers import Handlers
from serving.inference import Inference
from serving.liked_items import MOST_FOUND, CatalogueItems, LikedItems, LikedRecommendations
from serving.predictions import Predictions
from serving.quick_routes import QuickRoutes
from serving.recommendations import MOST_ITEMS
from serving.schemas import Alive, ModelList, ModelStatus, PredictionAnswer, Readiness, Recommendations
from serving.worker_metrics import WorkerMetrics

Model = Annotated[str | None, Query(description="the registered model; not needed when there is only one")]
Version = Annotated[str | None, Query(description="a version of it, instead of its champion")]
Alias = Annotated[str | None, Query(description="another alias than champion")]
Recommender = Annotated[str, Query(description="the recommender")]
NDJSON = "application/x-ndjson"
Name = Annotated[str, Path(max_length=256)]
Number = Annotated[str, Path(max_length=18, description="a version")]

_FORMS = {
    "dataframe_split": {"type": "object"},
    "dataframe_records": {"type": "array", "items": {"type": "object"}},
    "instances": {"type": "array", "items": {}},
    "inputs": {},
    "params": {"type": "object"},
}
_SPLIT = {"dataframe_split": {"columns": ["user_id"], "data": [[1]]}, "params": {"k": 5}}
_ROWS = {"rows": [{"user_id": 1}]}


def _body(description: str, schema: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {"application/json": {"schema": schema}, **others},
        }
    }


_INVOCATION = _body(
    "exactly one of the four forms, and optionally params",
    {"type": "object", "properties": _FORMS, "example": _SPLIT},
    **{"text/csv": {"schema": {"type": "string"}}},
)
_PREDICTION = _body(
    "rows with the columns of the model's signature",
    {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": {"type": "object"}}, "params": {"type": "object"}},
        "example": _ROWS,
    },
)
_TENSOR = {"name": "input", "datatype": "FP64", "shape": [1, 2], "data": [0.5, 1.5]}
_INFERENCE = _body(
    "an inference request",
    {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": {"type": "object"}},
            "outputs": {"type": "array", "items": {"type": "object"}},
        },
        "example": {"inputs": [_TENSOR]},
    },
    **{"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
)


def quick_routes(predictions: Predictions, inference: Inference) -> QuickRoutes:
    """The table of what is answered before FastAPI sees it."""
    table = QuickRoutes()
    table.add("POST", "/invocations", predictions.invocations)
    table.add("POST", "/models/{name}/predict", predictions.predict)
    table.add("POST", "/recommendations", predictions.recommend_from, small=True)
    table.add("GET", "/recommendations/items", predictions.items)
    table.add("GET", "/recommendations/{user_id}", predictions.recommend)
    table.add("POST", "/v2/models/{name}/infer", inference.infer)
    table.add("POST", "/v2/models/{name}/versions/{version}/infer", inference.infer)
    return table


def routes(
    handlers: Handlers,
    predictions: Predictions,
    inference: Inference,
    feedback: Feedback,
    metrics: WorkerMetrics,
    version: str,
) -> APIRouter:
    """All routes of the service, bound to one process's handlers and metrics."""
    router = APIRouter()
    _add_predictions(router, predictions)
    _add_feedback(router, feedback)
    _add_models(router, handlers)
    _add_inference(router, inference)
    _add_protocol(router)
    _add_operations(router, handlers, metrics, version)
    return router


class _Lines(StreamingResponse):
    """Starlette's would look for a disconnect meanwhile, and take the body's messages away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await self.stream_response(send)


async def _through(handler: Callable[..., Awaitable[Answer]], request: Request, *arguments: str) -> Response:
    return response(await handler(_call(request, await request.body()), *arguments))


def _call(request: Request, body: bytes) -> Call:
    scope = request.scope
    route, caller = scope["route"].path_format, scope.get("caller", "")
    return Call(
        scope["path"], scope["query_string"], dict(scope["headers"]), body, caller, route, scope.get("trace_id", "")
    )


def _add_predictions(router: APIRouter, predictions: Predictions) -> None:
    """Documented here; answered through `quick_routes`, with the same handlers."""

    @router.post(
        "/recommendations",
        tags=["predictions"],
        response_model=LikedRecommendations,
        openapi_extra=_body("items that somebody likes", LikedItems.model_json_schema()),
    )
    async def recommendations_from(
        request: Request,
        model: Recommender = "movies",
        version: Version = None,
        alias: Alias = None,
    ) -> Response:
        """The best items for somebody who likes these. No user of the model is needed."""
        return await _through(predictions.recommend_from, request)

    @router.get("/recommendations/items", tags=["predictions"], response_model=CatalogueItems)
    async def items(
        request: Request,
        query: Annotated[str, Query(max_length=256, description="words of the title; none: the most popular")] = "",
        k: Annotated[int, Query(ge=1, le=MOST_FOUND, description="how many items")] = 20,
        model: Recommender = "movies",
        version: Version = None,
        alias: Alias = None,
    ) -> Response:
        """Items of a recommender's catalogue by their title, most popular first."""
        return await _through(predictions.items, request)

    @router.get("/recommendations/{user_id}", tags=["predictions"], response_model=Recommendations)
    async def recommendations(
        request: Request,
        user_id: Annotated[str, Path(max_length=256)],
        k: Annotated[int, Query(ge=1, le=MOST_ITEMS, description="how many items")] = 10,
        exclude: Annotated[str, Query(description="item ids to leave out, with commas between them")] = "",
        genre: Annotated[str | None, Query(description="only items of this genre")] = None,
        model: Recommender = "movies",
        version: Version = None,
        alias: Alias = None,
    ) -> Response:
        """The best items that the user has not seen. An unknown user gets the popular ones."""
        return await _through(predictions.recommend, request, user_id)

    @router.post("/invocations", tags=["predictions"], response_class=Response, openapi_extra=_INVOCATION)
    async def invocations(
        request: Request, model: Model = None, version: Version = None, alias: Alias = None
    ) -> Response:
        """MLflow's scoring protocol. Headers say which model and version answered, and the prediction's id."""
        return await _through(predictions.invocations, request)

    @router.post(
        "/models/{name}/predict", tags=["predictions"], response_model=PredictionAnswer, openapi_extra=_PREDICTION
    )
    async def predict(request: Request, name: Name, version: Version = None, alias: Alias = None) -> Response:
        """Rows in, predictions out, typed by the signature: below stands what each loaded model takes and gives."""
        return await _through(predictions.predict, request, name)

    @router.post(
        "/models/{name}/stream",
        tags=["predictions"],
        response_class=StreamingResponse,
        openapi_extra={"requestBody": {"required": True, "content": {NDJSON: {"schema": {"type": "string"}}}}},
    )
    async def stream(request: Request, name: Name, version: Version = None, alias: Alias = None) -> Response:
        """A line of JSON a row in, a line a prediction out, as they come: for more rows than a request should have."""
        answers = await predictions.stream(_call(request, b""), name, request.stream())
        return _Lines(answers, media_type=NDJSON)


def _add_feedback(router: APIRouter, feedback: Feedback) -> None:
    @router.post(
        "/feedback",
        tags=["predictions"],
        response_model=FeedbackAnswer,
        responses={202: {"model": FeedbackAnswer, "description": "kept until the prediction is in the store"}},
        openapi_extra=_body("what came true", FeedbackBody.model_json_schema()),
    )
    async def told(request: Request) -> Response:
        """What happened after a prediction, by the prediction's id: early, late, or once more."""
        answer = await feedback.take(read_json(await request.body()), request.scope.get("caller", ""))
        return JSONResponse(answer.model_dump(mode="json"), 202 if answer.state == "waiting" else 200)


def _add_models(router: APIRouter, handlers: Handlers) -> None:
    @router.get("/models", tags=["models"])
    async def models() -> ModelList:
        """The models that answer, and since when with which version."""
        return ModelList(models=handlers.models())

    @router.get("/models/{name}", tags=["models"])
    async def model(name: Name) -> ModelStatus:
        """One model, loaded now if it was not asked for before."""
        return await handlers.model(name)


def _add_inference(router: APIRouter, inference: Inference) -> None:
    """KServe's and Triton's routes; a model's also with a version. Bodies: see the protocol."""
    shown: dict[str, Any] = {"tags": ["open inference"], "response_class": Response}

    @router.get("/v2", **shown)
    async def server(request: Request) -> Response:
        """The server's name, version and extensions."""
        return await _through(inference.server, request)

    @router.get("/v2/health/live", **shown)
    async def live(request: Request) -> Response:
        """The process answers."""
        return await _through(inference.server_live, request)

    @router.get("/v2/health/ready", **shown)
    async def ready(request: Request) -> Response:
        """503 while a required model is not loaded."""
        return await _through(inference.server_ready, request)

    @router.post("/v2/repository/index", **shown)
    async def index(request: Request) -> Response:
        """The models that there are, as Triton lists them."""
        return await _through(inference.index, request)

    @router.get("/v2/models/{name}", **shown)
    async def metadata(request: Request, name: Name) -> Response:
        """A model's inputs and outputs."""
        return await _through(inference.metadata, request, name)

    @router.get("/v2/models/{name}/ready", **shown)
    async def model_ready(request: Request, name: Name) -> Response:
        """Whether the model answers; it is loaded for that."""
        return await _through(inference.ready, request, name)

    @router.post("/v2/models/{name}/infer", openapi_extra=_INFERENCE, **shown)
    async def infer(request: Request, name: Name) -> Response:
        """One inference request, in JSON or with binary tensors."""
        return await _through(inference.infer, request, name)

    @router.get("/v2/models/{name}/versions/{version}", **shown)
    async def version_metadata(request: Request, name: Name, version: Number) -> Response:
        """A version's inputs and outputs."""
        return await _through(inference.metadata, request, name, version)

    @router.get("/v2/models/{name}/versions/{version}/ready", **shown)
    async def version_ready(request: Request, name: Name, version: Number) -> Response:
        """Whether the version answers; it is loaded for that."""
        return await _through(inference.ready, request, name, version)

    @router.post("/v2/models/{name}/versions/{version}/infer", openapi_extra=_INFERENCE, **shown)
    async def version_infer(request: Request, name: Name, version: Number) -> Response:
        """One inference request to one version."""
        return await _through(inference.infer, request, name, version)


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


def _add_operations(router: APIRouter, handlers: Handlers, metrics: WorkerMetrics, version: str) -> None:
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
    async def scraped(request: Request) -> Response:
        """Prometheus metrics of the service."""
        body, content_type = await asyncio.to_thread(metrics.exposition, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})
