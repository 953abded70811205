"""Threads that give way to the one that answers."""

import os
import sys
import threading

# The lowest priority there is: little of a core that others want, and all of one that nobody wants.
NICE = 19


def give_way() -> None:
    """Call it in the thread. While the event loop has something to do, it has the core.

    Without it a thread that writes to the store keeps a core for whole slices of the scheduler, and callers wait.
    """
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
