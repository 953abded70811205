"""How a fan-out travels: packed, so that the scheduler, which unpickles task graphs, needs none of a step's modules.

Otherwise the scheduler would import every use case, and keep the first version of it that it saw for ever. For the same
reason nothing of ours is imported here at module level.
"""

from typing import Any

import cloudpickle


def pack(thing: Any) -> bytes:
    packed: bytes = cloudpickle.dumps(thing)
    return packed


def call(item: bytes, work: Any) -> Any:
    """Run ``work``, a function with its further arguments and the log it writes to, on one item."""
    from flows.run_log import run_log

    fn, args, target = cloudpickle.loads(work) if isinstance(work, bytes) else work
    with run_log(target):
        return fn(cloudpickle.loads(item), *args)


def combine(left: Any, right: Any, how: bytes) -> Any:
    return cloudpickle.loads(how)(left, right)
