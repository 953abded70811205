"""Which versions were served last, on disk: the service comes up with them when the registry is down."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from loguru import logger
from pydantic import TypeAdapter, ValidationError

from serving.model_key import ModelKey
from sluice.models import ModelVersion

_CONTENT = TypeAdapter(dict[str, ModelVersion])


class Remembered:
    """One small file, written whole and renamed. A file that cannot be read or written is only a warning.

    Several workers share it: each changes what is in it now, and keeps what the others have served.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = self._read()

    def get(self, key: ModelKey) -> ModelVersion | None:
        return self._known.get(str(key))

    def put(self, key: ModelKey, version: ModelVersion) -> None:
        if self._known.get(str(key)) != version:
            self._change(lambda known: known.update({str(key): version}))

    def forget(self, key: ModelKey) -> None:
        if str(key) in self._known:
            self._change(lambda known: known.pop(str(key), None))

    def _read(self) -> dict[str, ModelVersion]:
        if self._path is None:
            return {}
        try:
            return _CONTENT.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            logger.warning("{} cannot be read; the service needs the registry to come up. {}", self._path, error)
            return {}

    def _change(self, change: Callable[[dict[str, ModelVersion]], object]) -> None:
        change(self._known)
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_name(f".{self._path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # for as long as a small file takes
                self._known = self._read() or self._known
                change(self._known)
                partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
                partial.write_bytes(_CONTENT.dump_json(self._known))
                os.replace(partial, self._path)
        except OSError as error:
            logger.warning("{} cannot be written: {}", self._path, error)
