"""A model registry in memory, whose alias moves can be interrupted."""

from collections.abc import Callable
from datetime import UTC, datetime

from sluice.errors import ModelNotFoundError
from sluice.models import ModelVersion


class FakeRegistry:
    """`sluice.models.ModelRegistry` as far as promotions need it: one model, versions 1 to ``versions``."""

    def __init__(self, name: str, versions: int) -> None:
        self.aliases: dict[str, str] = {}
        self.before_alias: Callable[[], object] | None = None
        self.after_alias: Callable[[], object] | None = None
        made = [str(number + 1) for number in range(versions)]
        self._versions = {
            version: ModelVersion(name=name, version=version, run_id=f"run{version}", created_at=datetime.now(UTC))
            for version in made
        }

    def find(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion | None:
        wanted = version if version is not None else self.aliases.get(alias or "")
        return self._versions.get(wanted or "")

    def versions(self, name: str) -> list[ModelVersion]:
        return [version for version in self._versions.values() if version.name == name]

    def remove(self, version: str) -> None:
        del self._versions[version]

    def also(self, written: str, version: str) -> None:
        """Find a version by another way of writing its number too."""
        self._versions[written] = self._versions[version]

    def tag(self, version: str, **tags: str) -> None:
        """Give a version these tags; double underscores are dots."""
        named = {name.replace("__", "."): value for name, value in tags.items()}
        self._versions[version] = self._versions[version].model_copy(update={"tags": named})

    def get(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion:
        found = self.find(name, alias=alias, version=version)
        if found is None:
            raise ModelNotFoundError(name=name, wanted=f"version {version}", hint="")
        return found

    def set_alias(self, name: str, alias: str, version: str) -> None:
        for hook, moves in ((self.before_alias, True), (self.after_alias, False)):
            if hook is not None:
                outcome = hook()
                if isinstance(outcome, Exception):
                    raise outcome
            if moves:
                self.aliases[alias] = version
