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
    """Run ``work`` on one item: a function, its further arguments, the log it writes to, whether a step fans out."""
    from flows.interruption import interruptible, working
    from flows.run_log import run_log

    fn, args, target, of_step = cloudpickle.loads(work) if isinstance(work, bytes) else work
    with run_log(target, getattr(fn, "__name__", type(fn).__name__)):
        within = interruptible if of_step else working
        return within(target and target.flow_run_id, fn, cloudpickle.loads(item), *args)


def combine(left: Any, right: Any, how: bytes) -> Any:
    return cloudpickle.loads(how)(left, right)
