"""The OpenAPI document: FastAPI's, and what it cannot know: loaded models, keys, and the errors of every route."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.served import ServedModel
from serving.typed import TypedModel

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
# Of every route; of those that need no key the first two cannot come.
_ANY_ROUTE = {
    "401": "no key, or one that is not valid",
    "403": "the key lacks the scope that this needs",
    "413": "the body is too large",
    "429": "too many requests; Retry-After says when",
    "503": "too much is under way, or what is needed does not answer; Retry-After says when",
}


def install(app: FastAPI, answering: Callable[[], Iterable[ServedModel]]) -> None:
    """Make ``app`` document itself and the models that answer at the time it is asked."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_errors(
                get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            )
        whole = app.openapi_schema
        schemas = dict(whole["components"]["schemas"])
        paths = dict(whole["paths"])
        for served in answering():
            paths[f"/models/{served.name}/predict"] = _path(served, schemas)
        return {**whole, "paths": paths, "components": {**whole["components"], "schemas": schemas}}

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _with_errors(whole: dict[str, Any]) -> dict[str, Any]:
    components = whole.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    whole["security"] = [{"bearer": []}, {"key": []}]
    for path in whole["paths"].values():
        for operation in path.values():
            responses = operation.setdefault("responses", {})
            for status, description in _ANY_ROUTE.items():
                responses.setdefault(status, _problem(description))
            if "422" in responses:
                responses["422"] = _problem("something in the request is wrong; errors names each field")
    return whole


def _problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def _path(served: ServedModel, schemas: dict[str, Any]) -> dict[str, Any]:
    typed = TypedModel.of(served)
    body, answer = (_schema(model, schemas) for model in (typed.request, typed.answer))
    version = {"name": "version", "in": "query", "schema": {"type": "string"}, "description": "instead of the champion"}
    return {
        "post": {
            "tags": ["predictions"],
            "summary": f"Ask {served.name}",
            "description": f"As version {served.version.version} declares its input and output.",
            "operationId": f"predict_{served.name}",
            "parameters": [version],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                "200": {"description": "the predictions", "content": {"application/json": {"schema": answer}}},
                "422": _problem("something in the rows is wrong; errors names each field"),
                **{status: _problem(description) for status, description in _ANY_ROUTE.items()},
            },
        }
    }


def _schema(model: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the model's schema, which is put among the others with all that it refers to."""
    made = model.model_json_schema(ref_template=_REFERENCE)
    schemas.update(made.pop("$defs", {}))
    schemas[model.__name__] = made
    return {"$ref": _REFERENCE.format(model=model.__name__)}
