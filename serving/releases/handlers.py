"""What the service does to release a version, without HTTP. All methods block: they are for threads."""

from threading import Lock

from loguru import logger

from serving.model_key import ModelKey
from serving.operations import Operations
from sluice.errors import ModelNotFoundError
from sluice.evaluation import Evaluation, read_evaluation
from sluice.models import ModelRegistry
from sluice.promotions import Promotion, PromotionHistory
from sluice.version_details import VersionDetails, describe


class Releases:
    """Every method raises ModelNotFoundError for a model or version that is not there, and ServiceUnavailableError."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        # Two requests at once (a button that was pressed twice) would make two entries of one move.
        self._moving = Lock()

    @property
    def _registry(self) -> ModelRegistry:
        return self._operations.registry

    @property
    def _history(self) -> PromotionHistory:
        return PromotionHistory(self._operations.documents, self._registry)

    def versions(self, name: str, limit: int, before: str | None) -> tuple[list[VersionDetails], str | None]:
        """Newest first, those older than ``before``; and where the next page begins, if there is one."""
        found = self._registry.versions(ModelKey.of(name).name)
        if not found:
            raise _no_model(name)
        older = [version for version in found if before is None or int(version.version) < int(before)]
        page = older[:limit]
        more = page[-1].version if len(older) > limit else None
        mlflow = self._operations.settings.mlflow
        return describe(self._registry, page, mlflow.ui or mlflow.uri), more

    def history(self, name: str, limit: int) -> list[Promotion]:
        """Newest first."""
        history = self._history
        with self._moving:
            history.reconcile(ModelKey.of(name).name)
        reigns = history.history(name)[:limit]
        if not reigns and not self._registry.versions(name):
            raise _no_model(name)
        return reigns

    def promote(self, name: str, version: str, by: str, reason: str) -> Promotion:
        with self._moving:
            promotion = self._history.promote(ModelKey.of(name).name, version, by=by, reason=reason)
        _log(promotion)
        return promotion

    def rollback(self, name: str, to: str | None, by: str, reason: str) -> Promotion:
        """
        Raises:
            RollbackImpossibleError: there is nothing to go back to.
        """
        with self._moving:
            promotion = self._history.rollback(ModelKey.of(name).name, to=to, by=by, reason=reason)
        _log(promotion)
        return promotion

    def evaluation(self, name: str, version: str | None) -> Evaluation:
        """Of a version, or of the champion.

        Raises:
            EvaluationNotFoundError: nobody evaluated it here.
        """
        key = ModelKey.of(name, version)
        return read_evaluation(self._registry, key.name, key.version)


def _log(promotion: Promotion) -> None:
    logger.bind(model=promotion.model, model_version=promotion.version).info(
        "{}@{} is champion, by {}: {}", promotion.model, promotion.version, promotion.by, promotion.reason
    )


def _no_model(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(name=name, wanted="in the registry", hint="sluice models lists those there are.")
