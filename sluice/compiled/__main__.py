"""``python -m sluice.compiled FOLDER [NICE]``: compile a model on this machine, in a process that nobody waits for."""

import os
import sys
from pathlib import Path

from sluice.compiled import compile_model
from sluice.errors import NotCompiledError

NOT_COMPILED = 3


def main() -> None:
    """Exit code 0 when it is compiled, 3 when it cannot be, with the reason on standard output."""
    # Here and not before the new process begins: code between fork and exec deadlocks where libraries have threads.
    for niceness in sys.argv[2:]:
        os.nice(int(niceness))
    try:
        compile_model(Path(sys.argv[1]))
    except NotCompiledError as error:
        sys.stdout.write(str(error))
        sys.exit(NOT_COMPILED)


if __name__ == "__main__":
    main()
