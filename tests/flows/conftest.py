"""What a test of a flow leaves behind in its process is taken away."""

from collections.abc import Iterator

import pytest
from loguru import logger

from flows.run_log import forward


@pytest.fixture(autouse=True)
def nothing_is_forwarded_later() -> Iterator[None]:
    """`forward` hands lines to Prefect's log for the rest of the process; here for the rest of the test."""
    before = set(logger._core.handlers)  # type: ignore[attr-defined]  # loguru has no public list of them
    yield
    for added in set(logger._core.handlers) - before:  # type: ignore[attr-defined]
        logger.remove(added)
    forward.cache_clear()
