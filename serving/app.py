"""The service's composition root: settings, registry, models, handlers, routes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

import sluice
from observability.asgi import HttpMiddleware
from observability.ending import end
from observability.metrics import new_registry
from observability.process import configure_process
from serving import errors, openapi
from serving.access import Access
from serving.cache import ModelCache
from serving.compiler import Compiler
from serving.console.routes import console_routes
from serving.door import Door
from serving.feedback import Feedback
from serving.handlers import Handlers
from serving.inference import Inference
from serving.journal import ServingJournal, instance_name
from serving.limits import SMALL_BYTES
from serving.metrics import ServingMetrics
from serving.operate import operate_routers
from serving.operations import Operations
from serving.prediction_log import PredictionLog
from serving.predictions import Predictions
from serving.predictor import Predictor
from serving.refresher import Refresher
from serving.remembered import Remembered
from serving.routes import quick_routes, routes
from serving.scopes import UNLIMITED
from serving.scorer import Scorer
from serving.served import LoadTimes, ServedModel, load
from serving.typed import TypedModel
from serving.worker_metrics import WorkerMetrics
from sluice.documents import DocumentStore, open_documents
from sluice.models import ModelRegistry, ModelVersion, open_registry
from sluice.settings import Settings

# NumPy and most models let go of the interpreter while they compute, so a few more threads than
# cores keep the cores busy; many more only lengthen the tail.
PREDICTION_THREADS = (os.cpu_count() or 1) + 2
# Look-ups wait for the network and loads for the disk; a slow load must leave room for look-ups.
REGISTRY_THREADS = 4
SWITCH_SECONDS = 0.0005

App = Callable[[Any, Any, Any], Awaitable[None]]


def create_app() -> App:
    """What uvicorn calls (``--factory``): the service as the environment sets it up.

    Raises:
        SettingsInvalidError: naming the variable that is wrong.
    """
    settings = Settings.load()
    # The event loop gets the interpreter back from other threads this soon, not after 5 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    registry = open_registry(settings)
    # After the imports above: MLflow gives its loggers handlers of its own when it is imported.
    configure_process(settings, service="serving")
    return build_app(settings, registry, lambda: open_documents(settings))


def build_app(settings: Settings, registry: ModelRegistry, open_store: Callable[[], DocumentStore]) -> App:
    """The service on given adapters. ``open_store`` is called in background threads when it is first needed."""
    serving, home = settings.serving, settings.home / "serving"
    collectors = new_registry()
    metrics = ServingMetrics(collectors)
    instance = instance_name()
    journal = ServingJournal(open_store, instance)
    log = PredictionLog(
        settings.home / "spool" / "predictions", open_store, instance, settings.prediction_log, collectors
    )
    loading = ThreadPoolExecutor(REGISTRY_THREADS, "registry")
    predicting = ThreadPoolExecutor(PREDICTION_THREADS, "predict")

    def load_and_warm(version: ModelVersion) -> tuple[ServedModel, LoadTimes]:
        served, times = load(registry, version, predicting)
        TypedModel.of(served)  # some milliseconds, which are not to be the event loop's
        return served, times

    async def before_swap(before: ServedModel, served: ServedModel) -> ServedModel:
        return await compiler.beside(before, served)

    def loaded(served: ServedModel) -> None:
        share = served.policy.log_sample * settings.prediction_log.sample
        log.set_policy(served.name, served.version.version, share, frozenset(served.policy.log_redact))
        compiler.loaded(served)

    configured = tuple(dict.fromkeys((*serving.models, *serving.required)))
    cache = ModelCache(
        registry,
        metrics,
        loading,
        load_and_warm,
        before_swap,
        loaded,
        journal.swapped,
        Remembered(home / "served.json"),
        budget=serving.memory_mib << 20,
        kept=serving.required,
    )
    compiler = Compiler(cache.replace, predicting)
    for name in configured:
        metrics.known(name)
    refresher = Refresher(cache, configured, serving.refresh_seconds)
    access = Access(
        open_store,
        home / "api_keys.json",
        serving.auth_required,
        serving.keys_refresh_seconds,
        collectors,
        public=serving.public,
        bootstrap_key=serving.bootstrap_key.get_secret_value(),
    )
    handlers = Handlers(cache, refresher, configured, serving.required, lambda: access.ready, serving.auth_required)
    worker_metrics = WorkerMetrics(collectors, home / "metrics", serving.workers)
    limits = serving.limits
    scorer = Scorer(Predictor(predicting, metrics), log, limits.rows, limits.seconds)
    predictions = Predictions(handlers, scorer, min(limits.body_bytes, SMALL_BYTES))
    feedback = Feedback(open_store, log, cache.names, settings.prediction_log, collectors)
    inference = Inference(handlers, scorer)
    operations = Operations(settings, registry, open_store, handlers.take_up)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for part in (journal, log, feedback, access, worker_metrics):
            part.start()
        # Not awaited: the process answers health checks while models load, and comes up without a registry.
        following = asyncio.create_task(refresher.run(), name="refresher")
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await cache.close()
        await compiler.close()
        for part in (feedback, journal, log, access, worker_metrics):
            await asyncio.to_thread(part.close)
        await asyncio.to_thread(operations.close)
        loading.shutdown(wait=False, cancel_futures=True)
        predicting.shutdown(wait=False, cancel_futures=True)
        if serving.workers > 1:  # uvicorn ends them by a signal; see `observability.ending`
            await asyncio.to_thread(end)

    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/static",
        title="Sluice",
        summary="Predictions from whatever the registry calls champion.",
        version=sluice.__version__,
        lifespan=lifespan,
        # The middleware around it does this for all routes; FastAPI's would take up each request a second time, in a
        # trace of its own where none came with it.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.include_router(routes(handlers, predictions, inference, feedback, worker_metrics, sluice.__version__))
    for router in operate_routers(operations):
        app.include_router(router)
    app.include_router(console_routes(settings, access, handlers))
    errors.install(app)
    openapi.install(app, handlers.answering)
    door = Door(app, quick_routes(predictions, inference), access, limits, metrics if serving.request_metrics else None)
    if not serving.request_metrics:
        return door
    return HttpMiddleware(door, collectors, settings.traces.sample if settings.traces.endpoint else 0.0, UNLIMITED)
