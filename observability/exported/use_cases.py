"""What the use cases say that are installed: one that is broken hides no other."""

from loguru import logger

from sluice.errors import UseCaseInvalidError
from sluice.use_case import UseCase, UseCaseConfig, discover

_said: set[str] = set()


def readable_configs() -> dict[str, UseCaseConfig]:
    """By name, without those whose file is wrong; the first time that one is, it is logged."""
    found: dict[str, UseCaseConfig] = {}
    for name, package in discover().items():
        try:
            found[name] = UseCase(package).config
        except UseCaseInvalidError as error:
            if name not in _said:
                logger.warning("Nothing is told of the use case {}: {}", name, error)
            _said.add(name)
        else:
            _said.discard(name)
    return found
