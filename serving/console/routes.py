"""The console's routes: pages, their files, signing in and out. What is on a page comes from the JSON routes."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from serving.access import NOBODY, Access
from serving.console.assets import Assets
from serving.console.model_form import ModelForm, model_form
from serving.console.pages import Pages, Visitor
from serving.console.policy import HOME, SIGN_IN
from serving.console.sign_in import caller_of, cookie, local_path, no_cookie, read_form, visitor_of
from serving.cookies import COOKIE, check_same_origin
from serving.handlers import Handlers
from serving.local_requests import check_local
from serving.model_key import ModelKey
from sluice.api_keys import SCOPES
from sluice.request_errors import ApiKeyRefusedError, ApiKeysUnknownError
from sluice.settings import Settings

# Path below the console, template, title. What comes first is found first.
PAGES = (
    ("/runs", "runs", "Runs"),
    ("/runs/new", "start", "Start a run"),
    ("/runs/{id}", "run", "Run"),
    ("/tasks", "tasks", "Tasks"),
    ("/tasks/{id}", "task", "Task"),
    ("/workers", "workers", "Workers"),
    ("/logs", "logs", "Logs"),
    ("/models", "models", "Models"),
    ("/models/{name}", "model", "Model"),
    ("/models/{name}/evaluation", "evaluation", "Evaluation"),
    ("/models/{name}/recommendations", "recommendations", "Recommendations"),
)
_PAGE: dict[str, Any] = {"methods": ["GET", "HEAD"], "include_in_schema": False, "response_class": HTMLResponse}
_NOT_KEPT = {"Cache-Control": "no-store"}
# The address changes with the content.
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


def console_routes(settings: Settings, access: Access, handlers: Handlers) -> APIRouter:
    """All of them."""
    router = APIRouter()
    assets = Assets()
    pages = Pages(settings, assets)
    _add_pages(router, pages)
    _add_files(router, assets)
    _add_sign_in(router, pages, access, settings.serving.auth_required)

    @router.get(f"{HOME}/forms/{{name}}", include_in_schema=False)
    async def form(name: str) -> ModelForm:
        """The fields of a model, which is loaded for it."""
        return model_form(await handlers.served(ModelKey.of(name)))

    # Last, since it fits whatever is below.
    @router.api_route(f"{HOME}/{{rest:path}}", **_PAGE)
    async def missing(request: Request) -> Response:
        return _page(pages, request, "missing", "There is no such page", status=404)

    return router


def _add_pages(router: APIRouter, pages: Pages) -> None:
    @router.api_route("/", **_PAGE)
    @router.api_route(HOME, **_PAGE)
    @router.api_route(f"{HOME}/", **_PAGE)
    async def first() -> Response:
        return RedirectResponse(f"{HOME}/runs", 307, _NOT_KEPT)

    for path, template, title in PAGES:
        router.api_route(f"{HOME}{path}", name=template, **_PAGE)(_shown(pages, template, title))


def _shown(pages: Pages, template: str, title: str) -> Any:
    async def shown(request: Request) -> Response:
        return _page(pages, request, template, title)

    return shown


def _page(pages: Pages, request: Request, template: str, title: str, status: int = 200, **values: Any) -> Response:
    section = request.url.path.removeprefix(HOME).split("/")[1:2]
    text = pages.render(template, _visitor(request), title=title, section="".join(section), **values)
    return HTMLResponse(text, status, _NOT_KEPT)


def _visitor(request: Request) -> Visitor:
    """As the door let them in."""
    scopes = [scope for scope in SCOPES if scope in request.scope.get("scopes", ())]
    return Visitor(request.scope.get("caller", NOBODY.name), tuple(scopes), COOKIE in request.cookies)


def _add_files(router: APIRouter, assets: Assets) -> None:
    @router.api_route(f"{HOME}/static/{{digest}}/{{name}}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(digest: str, name: str) -> Response:
        """A page of an older service asks for what is gone: it gets today's, to look at once."""
        asset = assets.find(name)
        if asset is None:
            return Response(status_code=404)
        kept = _KEPT if digest == assets.digest else _NOT_KEPT
        return Response(asset.content, media_type=asset.media_type, headers=kept)


def _add_sign_in(router: APIRouter, pages: Pages, access: Access, required: bool) -> None:
    def asked_again(request: Request, wanted: str, problem: str, status: int) -> Response:
        return _page(pages, request, "login", "Sign in", status, next=wanted, problem=problem)

    @router.api_route(SIGN_IN, **_PAGE)
    async def sign_in(request: Request, next: str = HOME) -> Response:
        wanted = local_path(next)
        if not required:
            return RedirectResponse(wanted, 303, _NOT_KEPT)
        return asked_again(request, wanted, "", 200)

    @router.post(SIGN_IN, include_in_schema=False)
    async def signed_in(request: Request) -> Response:
        _check_ours(request, required)
        fields = read_form(await request.body())
        wanted = local_path(fields.get("next", ""))
        if not required:
            return RedirectResponse(wanted, 303, _NOT_KEPT)
        key = fields.get("key", "")
        try:
            caller_of(access, key)
            made = cookie(key, _secure(request))
        except ApiKeyRefusedError:
            # 403 and no challenge: it is a page that was asked for, and it shows the form again.
            told = "This key is wrong, has expired or was revoked."
            return asked_again(request, wanted, told if key.strip() else "Type your API key.", 403)
        except ApiKeysUnknownError:
            return asked_again(request, wanted, "Keys cannot be checked yet. Try again in a few seconds.", 503)
        return RedirectResponse(wanted, 303, {"Set-Cookie": made, **_NOT_KEPT})

    @router.post(f"{HOME}/logout", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        _check_ours(request, required)
        return RedirectResponse(SIGN_IN, 303, {"Set-Cookie": no_cookie(_secure(request)), **_NOT_KEPT})

    @router.get(f"{HOME}/session", include_in_schema=False)
    async def session(request: Request) -> Response:
        """Who is signed in; null for nobody. For the sign-in page, where links on other sites lead: see its script."""
        caller = visitor_of(access, request.scope["headers"]) if required else NOBODY
        return JSONResponse({"caller": None if caller is NOBODY else caller.name}, headers=_NOT_KEPT)


def _check_ours(request: Request, required: bool) -> None:
    """These need no key, so the door did not look where they come from."""
    if required:
        check_same_origin(request.scope["headers"])
    else:
        check_local(request.scope["headers"], request.method)


def _secure(request: Request) -> bool:
    """Whether the browser speaks TLS, if only to a proxy: then it must never send the cookie without."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
