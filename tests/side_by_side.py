"""python -m tests.side_by_side FIRST SECOND [OPTION ...]: two choices of tests (what -m takes) at once, on two cores.

The first's output is shown while it runs, the second's when both are done. The one whose tests wait for a stack's
processes is best the second.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

# pytest's exit code for a choice that has no tests.
NOTHING = 5


def side_by_side(first: str, second: str, options: Sequence[str]) -> int:
    """The exit code: 0 when all tests of both have passed. Ctrl-C ends both, each with its own tidying up."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        behind = _start(second, options, stdout=kept, stderr=subprocess.STDOUT)
        before = _start(first, options)
        codes = [_end(before), _end(behind)]
        kept.seek(0)
        sys.stdout.write(f"\nBeside these ran: {second}\n{kept.read()}")
    return next((code for code in codes if code not in (0, NOTHING)), 0)


def _start(choice: str, options: Sequence[str], **output: object) -> "subprocess.Popen[bytes]":
    # The threads of OpenMP spin while they wait for each other: without a core for each, that is most of the time.
    output["env"] = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}
    return subprocess.Popen([sys.executable, "-m", "pytest", "-m", choice, *options], **output)  # type: ignore[call-overload, no-any-return]


def _end(process: "subprocess.Popen[bytes]") -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # a terminal has sent it to both; another sender's is passed on
            process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(side_by_side(sys.argv[1], sys.argv[2], sys.argv[3:]))
