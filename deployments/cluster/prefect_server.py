"""``python -m deployments.cluster.prefect_server server start``: Prefect's server, once its database is there.

In a new release the server and PostgreSQL start at the same time, and Prefect gives up at its first connection that
fails: Kubernetes would start it again, and count a restart that says nothing. MLflow's server tries again by itself.
"""

import asyncio
import os
import time

import asyncpg
from loguru import logger
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deployments.cluster.slots import free_lost
from deployments.local import prefect_server

WAIT_SECONDS = 240.0  # within the time that the startup probe gives
_POLL_SECONDS = 1.0


async def answers(url: str, wait_seconds: float = WAIT_SECONDS) -> bool:
    """Whether a database answers within a time, be it that it refuses: no such database, another password.

    Args:
        url: as Prefect has it, with SQLAlchemy's driver.
    """
    engine = create_async_engine(url, poolclass=NullPool)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            async with engine.connect():
                return True
        except asyncpg.CannotConnectNowError as error:  # it starts, or ends
            problem = str(error)
        except asyncpg.PostgresError:
            return True
        except OSError as error:
            problem = str(error) or type(error).__name__
        if time.monotonic() > deadline:
            return False
        logger.info("Waiting for the database: {}", problem)
        await asyncio.sleep(_POLL_SECONDS)


async def prepare(url: str) -> None:
    if await answers(url):
        await free_lost(url)


def main() -> None:
    # Whatever came of it: Prefect tells better than we could what is wrong with its database.
    if url := os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL"):
        asyncio.run(prepare(url))
    prefect_server.main()


if __name__ == "__main__":
    main()
