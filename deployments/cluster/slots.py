"""Slots of concurrency limits that no run holds: freed before Prefect's server starts.

How many slots are taken is a number in the database. Who holds them is in leases: on the server's volume, or in Redis
for several servers. Where the leases are lost, by another volume, another Redis, or one server that becomes several,
the number stays, and whatever waits for such a slot would wait for ever: Prefect gives back only what a lease tells of.
"""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from loguru import logger
from prefect.server.database.orm_models import ConcurrencyLimitV2 as Limit
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from prefect.server.concurrency.lease_storage import ConcurrencyLeaseStorage

# Another server writes the lease right after the number: what has not changed for so long has none to come.
SETTLE_SECONDS = 30.0
_MOST = 10_000


async def free(url: str, leases: "ConcurrencyLeaseStorage", settle: float = SETTLE_SECONDS) -> list[str]:
    """Set every limit to what its leases hold; gives the names of those that were changed.

    A lease that has expired still holds: the server gives its slots back when it finds it.

    Args:
        url: as Prefect has it, with SQLAlchemy's driver.
    """
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        if not await connection.run_sync(lambda one: sa.inspect(one).has_table(Limit.__tablename__)):
            return []
        seen = await _more_than_held(connection, leases)
    if not seen:
        return []
    await asyncio.sleep(settle)
    held = await _held(leases)
    freed = []
    async with engine.begin() as connection:
        for limit in seen:
            unchanged = (Limit.id == limit.id, Limit.updated == limit.updated, Limit.active_slots > held[limit.id])
            done = await connection.execute(sa.update(Limit).where(*unchanged).values(active_slots=held[limit.id]))
            if done.rowcount:
                freed.append(str(limit.name))
    return freed


async def _more_than_held(connection: AsyncConnection, leases: "ConcurrencyLeaseStorage") -> list[sa.Row]:  # type: ignore[type-arg]
    # A limit of so many a second has no leases: its slots come back by themselves.
    taken = sa.select(Limit.id, Limit.name, Limit.active_slots, Limit.updated).where(
        Limit.active_slots > 0, Limit.slot_decay_per_second == 0
    )
    found = (await connection.execute(taken)).all()
    held = await _held(leases)
    return [limit for limit in found if limit.active_slots > held[limit.id]]


async def _held(leases: "ConcurrencyLeaseStorage") -> Counter[UUID]:
    """Slots by the limit that they are of."""
    ids = {*await leases.read_active_lease_ids(limit=_MOST), *await leases.read_expired_lease_ids(limit=_MOST)}
    found: Counter[UUID] = Counter()
    for one in ids:
        lease = await leases.read_lease(one)
        if lease is not None and lease.metadata is not None:
            found.update(dict.fromkeys(lease.resource_ids, lease.metadata.slots))
    return found


async def free_lost(url: str) -> None:
    """For a server that starts. It is never in its way: what is wrong with database or Redis, Prefect tells better."""
    from prefect.server.concurrency.lease_storage import get_concurrency_lease_storage

    try:
        freed = await free(url, get_concurrency_lease_storage())
    except Exception as error:
        logger.warning("Slots that no run holds were not looked for: {}", error)
        return
    for name in freed:
        logger.warning("{}: its slots were taken and no run held them; they are free", name)
