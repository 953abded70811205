"""Writes the generated ratings as one CSV (a `benchmarks.peer.Peer` of the stack)."""

from pathlib import Path

from benchmarks.peer import serve
from sluice.use_case import load_use_case


def write(path: str, rows: int) -> None:
    steps = load_use_case("generated_ratings").steps
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        for nth, batch in enumerate(steps.ingest(None, steps.Params(rows=rows), None)):
            batch.write_csv(out, include_header=nth == 0)


if __name__ == "__main__":
    serve(write)
