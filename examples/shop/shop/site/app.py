"""The shop on HTTP."""

import hashlib
from html import escape

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from shop.site.products import CATEGORIES, Offer
from shop.site.store import Order, Store

_ON_A_PAGE = 16
_MOST_ORDERS = 1000
_ROBOTS = "User-agent: *\nDisallow: /basket\n"


def make_app(store: Store) -> Starlette:
    """Pages for people and scrapers, ``/orders`` for the back office, ``/metrics``, and a way to let days pass."""

    def robots(request: Request) -> Response:
        return PlainTextResponse(_ROBOTS)

    def home(request: Request) -> Response:
        return RedirectResponse("/catalogue/1")

    def catalogue(request: Request) -> Response:
        number = request.path_params["page"]
        offers = store.offers[(number - 1) * _ON_A_PAGE : number * _ON_A_PAGE]
        if number < 1 or not offers:
            return PlainTextResponse("There is no such page.", 404)
        page = _page(number, offers, is_last=number * _ON_A_PAGE >= len(store.offers))
        etag = f'"{hashlib.sha256(page.encode()).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        return HTMLResponse(page, headers={"ETag": etag})

    def orders(request: Request) -> Response:
        try:
            after = max(int(request.query_params.get("after", 0)), 0)
        except ValueError:
            return PlainTextResponse("after is the number of an order", 400)
        found = store.orders[after : after + _MOST_ORDERS]
        following = f"/orders?after={found[-1].number}" if found and found[-1].number < len(store.orders) else None
        return JSONResponse({"orders": [_record(order) for order in found], "next": following})

    def metrics(request: Request) -> Response:
        return Response(generate_latest(store.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def days(request: Request) -> Response:
        store.pass_day()
        return JSONResponse({"day": store.day, "orders": len(store.orders)})

    return Starlette(
        routes=[
            Route("/", home),
            Route("/robots.txt", robots),
            Route("/catalogue/{page:int}", catalogue),
            Route("/orders", orders),
            Route("/metrics", metrics),
            Route("/days", days, methods=["POST"]),
        ]
    )


def _page(number: int, offers: tuple[Offer, ...], *, is_last: bool) -> str:
    following = "" if is_last else f'<a rel="next" href="/catalogue/{number + 1}">More</a>'
    products = "\n".join(_product(offer) for offer in offers)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The shop, page {number}</title>\n'
        f"<h1>The shop</h1>\n<ul>\n{products}\n</ul>\n{following}\n</html>\n"
    )


def _product(offer: Offer) -> str:
    price = "on request" if offer.price is None else f"{offer.price:.2f} €"
    return (
        f'<li class="product" data-sku="{offer.sku}"><h2>{escape(offer.name)}</h2> '
        f'<span class="category">{CATEGORIES[offer.category]}</span> <span class="price">{price}</span> '
        f'since <time datetime="{offer.since:%Y-%m-%d}">{offer.since:%d %B %Y}</time></li>'
    )


def _record(order: Order) -> dict[str, object]:
    return {**vars(order), "at": order.at.isoformat(timespec="seconds")}
