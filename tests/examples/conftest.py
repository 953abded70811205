"""What tests of the examples share. Each example is importable here; that it installs is a test of its own."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES / "shop"))


@contextmanager
def served(app: object) -> Iterator[str]:
    """The address of an ASGI application on a real server, as long as the block lasts."""
    import uvicorn

    # Asked for port 0 the system gives a free one, known once the server has started.
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the server ended before it had started"
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class Shop:
    """A shop that is open: its store, and the address of its site."""

    def __init__(self, store: object, url: str) -> None:
        self.store, self.url = store, url


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop after 30 days of business."""
    from shop.site.app import make_app
    from shop.site.store import Store

    store = Store(days=30, customers=150)
    with served(make_app(store)) as url:
        yield Shop(store, url)
