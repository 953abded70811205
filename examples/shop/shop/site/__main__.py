"""``python -m shop.site``: the shop, until Ctrl-C."""

import argparse
import threading
import time

import uvicorn

from shop.site.app import make_app
from shop.site.service import Service
from shop.site.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop.site", description="A small online shop on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--days", type=int, default=60, help="of business before it opens")
    parser.add_argument(
        "--day-seconds", type=float, default=0, help="after so many a day passes; 0: on POST /days only"
    )
    parser.add_argument("--service", default="", help="Sluice's service, such as http://127.0.0.1:8000, to recommend")
    given = parser.parse_args()
    store = Store(given.days, service=Service(given.service) if given.service else None)
    if given.day_seconds > 0:
        threading.Thread(target=_pass_days, args=(store, given.day_seconds), daemon=True).start()
    uvicorn.run(make_app(store), host="127.0.0.1", port=given.port, log_level="warning")


def _pass_days(store: Store, seconds: float) -> None:
    while True:
        time.sleep(seconds)
        store.pass_day()


main()
