"""Slots that no lease tells of are free when the server starts; all others stay taken."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa
from loguru import logger
from prefect.server.concurrency.lease_storage import ConcurrencyLimitLeaseMetadata
from prefect.server.concurrency.lease_storage.filesystem import ConcurrencyLeaseStorage
from prefect.server.database.orm_models import ConcurrencyLimitV2 as Limit
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deployments.cluster.slots import free, free_lost

T = TypeVar("T")


class Server:
    """What a server of Prefect left: its table of limits, and its leases."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite+aiosqlite:///{folder}/prefect.db"
        self.leases = ConcurrencyLeaseStorage(storage_path=folder / "leases")
        asyncio.run(self.on(self._make))

    async def on(self, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
        engine = create_async_engine(self.url)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    async def _make(self, engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.run_sync(
                lambda one: Limit.metadata.create_all(one, tables=[Limit.metadata.tables[Limit.__tablename__]])
            )

    def limit(self, name: str, taken: int, leased: int = 0, seconds: float = 300, decay: float = 0) -> None:
        async def make(engine: AsyncEngine) -> None:
            values = {"name": name, "limit": 12, "active_slots": taken, "slot_decay_per_second": decay}
            async with engine.begin() as connection:
                await connection.execute(sa.insert(Limit).values(**values))
                found = (await connection.execute(sa.select(Limit.id).where(Limit.name == name))).scalar_one()
            if leased:
                told = ConcurrencyLimitLeaseMetadata(slots=leased)
                await self.leases.create_lease([found], timedelta(seconds=seconds), told)

        asyncio.run(self.on(make))

    async def taken(self) -> dict[str, int]:
        async def read(engine: AsyncEngine) -> dict[str, int]:
            async with engine.connect() as connection:
                rows = (await connection.execute(sa.select(Limit.name, Limit.active_slots))).all()
            return {row.name: row.active_slots for row in rows}

        return await self.on(read)

    async def take(self, name: str) -> None:
        """Another server does, and its lease is not written yet."""

        async def write(engine: AsyncEngine) -> None:
            async with engine.begin() as connection:
                await connection.execute(
                    sa.update(Limit).where(Limit.name == name).values(active_slots=Limit.active_slots + 1)
                )

        await self.on(write)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_slots_without_a_lease_are_free(server: Server) -> None:
    """The numbers are what leases hold: nothing, a part, or all."""
    server.limit("lost", taken=12)
    server.limit("half", taken=12, leased=6)
    server.limit("held", taken=12, leased=12)
    server.limit("expired", taken=12, leased=12, seconds=-60)
    assert sorted(asyncio.run(free(server.url, server.leases, settle=0))) == ["half", "lost"]
    assert asyncio.run(server.taken()) == {"lost": 0, "half": 6, "held": 12, "expired": 12}


def test_a_limit_of_so_many_a_second_is_left(server: Server) -> None:
    """Its slots are never leased."""
    server.limit("rate", taken=3, decay=1.0)
    assert asyncio.run(free(server.url, server.leases, settle=0)) == []
    assert asyncio.run(server.taken()) == {"rate": 3}


def test_what_is_taken_meanwhile_stays(server: Server) -> None:
    """Several servers share the numbers, and one of them may be about to write its lease."""
    server.limit("busy", taken=1)
    server.limit("lost", taken=1)

    async def both() -> list[str]:
        freeing = asyncio.create_task(free(server.url, server.leases, settle=1.0))
        await asyncio.sleep(0.3)
        await server.take("busy")
        return await freeing

    assert asyncio.run(both()) == ["lost"]
    assert asyncio.run(server.taken()) == {"busy": 2, "lost": 0}


def test_an_empty_database_has_none(tmp_path: Path) -> None:
    """A new release's, which the server is about to fill."""
    leases = ConcurrencyLeaseStorage(storage_path=tmp_path)
    assert asyncio.run(free(f"sqlite+aiosqlite:///{tmp_path}/new.db", leases, settle=0)) == []


def test_the_server_starts_whatever_is_wrong(tmp_path: Path) -> None:
    """A database that is none is Prefect's to tell of."""
    lines: list[str] = []
    (tmp_path / "prefect.db").write_text("no database")
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    try:
        asyncio.run(free_lost(f"sqlite+aiosqlite:///{tmp_path}/prefect.db"))
    finally:
        logger.remove(sink)
    (line,) = lines
    assert "were not looked for" in line
