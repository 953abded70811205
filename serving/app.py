"""The service's composition root: settings, registry, models, handlers, routes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.middleware import Middleware

import sluice
from observability.asgi import HttpMetricsMiddleware
from observability.logging import configure_logging
from observability.metrics import new_registry
from serving import errors
from serving.cache import ModelCache
from serving.handlers import Handlers
from serving.journal import ServingJournal, instance_name
from serving.metrics import ServingMetrics
from serving.predictor import Predictor
from serving.refresher import Refresher
from serving.routes import routes
from sluice.documents import DocumentStore, open_documents
from sluice.models import ModelRegistry, open_registry
from sluice.settings import ServingSettings, Settings

# NumPy and most models let go of the interpreter while they compute, so a few more threads than
# cores keep the cores busy; many more only lengthen the tail.
PREDICTION_THREADS = (os.cpu_count() or 1) + 2
# Look-ups wait for the network and loads for the disk; a slow load must leave room for look-ups.
REGISTRY_THREADS = 4


def create_app() -> FastAPI:
    """What uvicorn calls (``--factory``): the service as the environment sets it up.

    Raises:
        SettingsInvalidError: naming the variable that is wrong.
    """
    settings = Settings.load()
    registry = open_registry(settings)
    # After the imports above: MLflow gives its loggers handlers of its own when it is imported.
    configure_logging(settings, service="serving")
    return build_app(settings.serving, registry, lambda: open_documents(settings))


def build_app(settings: ServingSettings, registry: ModelRegistry, open_store: Callable[[], DocumentStore]) -> FastAPI:
    """The service on given adapters. ``open_store`` is called in a background thread when it is first needed."""
    collectors = new_registry()
    metrics = ServingMetrics(collectors)
    journal = ServingJournal(open_store, instance_name())
    loading = ThreadPoolExecutor(REGISTRY_THREADS, "registry")
    predicting = ThreadPoolExecutor(PREDICTION_THREADS, "predict")
    cache = ModelCache(registry, metrics, loading, journal.swapped)
    configured = tuple(dict.fromkeys((*settings.models, *settings.required)))
    for name in configured:
        metrics.known(name)
    refresher = Refresher(cache, configured, settings.refresh_seconds)
    handlers = Handlers(cache, Predictor(predicting, metrics), refresher, configured, settings.required)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        journal.start()
        # Not awaited: the process answers health checks while models load, and comes up without a registry.
        following = asyncio.create_task(refresher.run(), name="refresher")
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await cache.close()
        await asyncio.to_thread(journal.close)
        loading.shutdown(wait=False, cancel_futures=True)
        predicting.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="Sluice",
        summary="Predictions from whatever the registry calls champion.",
        version=sluice.__version__,
        lifespan=lifespan,
        middleware=[Middleware(HttpMetricsMiddleware, registry=collectors)],
    )
    app.include_router(routes(handlers, collectors, sluice.__version__))
    errors.install(app)
    return app
