"""Run benchmarks: each one beside its peer, in one run, on this machine.

python -m benchmarks [NAME...] [--list] [--quick]
"""

import argparse
import sys
import time
from importlib import import_module
from types import ModuleType

from benchmarks.bench import Bench
from benchmarks.result import RESULTS, Result

# Name to module; a module has TITLE and run(bench) -> Result. Imported when it runs: what one of them loads should not
# be in the memory of the others.
BENCHMARKS = {
    "overhead": "benchmarks.overhead",
    "fan_out": "benchmarks.fan_out",
    "ingest": "benchmarks.ingest",
    "feature_step": "benchmarks.feature_step",
    "recommender": "benchmarks.packaged_ratings",
    "serving": "benchmarks.serving",
    "operate": "benchmarks.operate",
    "observability": "benchmarks.observability",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all of them if none is given")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument(
        "--quick", action="store_true", help="on little data, to see that they work; writes no result file"
    )
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if given.list:
        for name in BENCHMARKS:
            print(f"{name:<14}{_module(name).TITLE}")
        return 0
    with Bench(quick=given.quick) as bench:
        for name in given.names or BENCHMARKS:
            _run(name, bench)
    return 0


def _run(name: str, bench: Bench) -> None:
    print(f"{name} ...", file=sys.stderr, flush=True)
    begun = time.monotonic()
    result: Result = _module(name).run(bench)
    result.print()
    if not bench.quick:
        print(f"Written to {result.write().relative_to(RESULTS.parents[1])}")
    print(f"{name} took {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def _module(name: str) -> ModuleType:
    return import_module(BENCHMARKS[name])


if __name__ == "__main__":
    raise SystemExit(main())
