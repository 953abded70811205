"""Prefect's server on SQLite, as the local stack runs it: ``python -m deployments.local.prefect_server server start``.

Prefect begins a transaction as a reader, though it is going to write. When somebody else has written between its first
read and its first write, SQLite ends it at once with "database is locked", whatever the time-out (SQLITE_BUSY_SNAPSHOT,
https://www.sqlite.org/rescode.html#busy_snapshot): heartbeats and the events that automations wait for were lost that
way once or twice a minute. One that says at its beginning that it will write waits for its turn instead.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache

import prefect.types._datetime
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_begin = AioSqliteConfiguration.begin_transaction


@asynccontextmanager
async def begin_as_writer(
    self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
) -> AsyncGenerator[AsyncSessionTransaction, None]:
    async with _begin(self, session, with_for_update=True) as transaction:
        yield transaction


def main() -> None:
    """Prefect's own command line."""
    from prefect.cli import app
    from uvicorn.config import LOGGING_CONFIG

    # The server's uvicorn would take its lines to a console of its own: they go where Prefect's do.
    LOGGING_CONFIG["handlers"], LOGGING_CONFIG["loggers"] = {}, {}

    AioSqliteConfiguration.begin_transaction = begin_as_writer  # type: ignore[method-assign]
    prefect.types._datetime.available_timezones = cache(prefect.types._datetime.available_timezones)
    app()


if __name__ == "__main__":
    main()
