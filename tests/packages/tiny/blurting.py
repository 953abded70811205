"""What careless code does: it says what it signs in with, in its log and in its error."""

import logging
import os

from loguru import logger

LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def blurt(prefix: str) -> None:
    """Of environment variables whose name begins so; nothing without a prefix.

    Raises:
        OSError: with all of them.
    """
    if not prefix:
        return
    said = {name: value for name, value in os.environ.items() if name.startswith(prefix)}
    for name, value in said.items():
        for level in LEVELS:
            logger.log(level, "{} is {}", name, value)
        logging.getLogger("tiny").error("%s is %s", name, value)
        print(f"printed: {name} is {value}")  # noqa: T201 - careless code prints
    raise OSError(f"cannot sign in with {said}")
