"""Prefect's transactions on SQLite as the local stack's server begins them."""

import asyncio
from pathlib import Path

import prefect.types._datetime
import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.schemas.schedules import CronSchedule
from sqlalchemy import text
from uvicorn.config import LOGGING_CONFIG

from deployments.local import prefect_server

WRITERS = 8


async def _count_up(database: Path) -> int:
    """Each writer reads first, as Prefect's do, and the others write before it does."""
    configuration = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{database}")
    engine = await configuration.engine()

    async def one_more() -> None:
        async with await configuration.session(engine) as session, configuration.begin_transaction(session):
            found = (await session.execute(text("SELECT n FROM counted"))).scalar_one()
            await asyncio.sleep(0.01)
            await session.execute(text("UPDATE counted SET n = :n"), {"n": found + 1})

    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counted (n INTEGER)"))
        await connection.execute(text("INSERT INTO counted VALUES (0)"))
    await asyncio.gather(*(one_more() for _ in range(WRITERS)))
    async with engine.connect() as connection:
        counted: int = (await connection.execute(text("SELECT n FROM counted"))).scalar_one()
    await engine.dispose()
    return counted


def test_writers_that_read_first_wait_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is refused with "database is locked", and no count is lost."""
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", prefect_server.begin_as_writer)
    assert asyncio.run(_count_up(tmp_path / "counted.db")) == WRITERS


def test_time_zones_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from hundreds of files for each schedule that is read."""
    asked: list[None] = []

    def zones() -> set[str]:
        asked.append(None)
        return {"UTC", "Europe/Berlin"}

    monkeypatch.setattr(prefect.types._datetime, "available_timezones", zones)
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    for name in ("handlers", "loggers"):
        monkeypatch.setitem(LOGGING_CONFIG, name, LOGGING_CONFIG[name])
    monkeypatch.setattr("prefect.cli.app", lambda: None)
    prefect_server.main()
    for zone in ("UTC", "Europe/Berlin", "UTC"):
        CronSchedule(cron="0 5 * * *", timezone=zone)
    assert len(asked) == 1
