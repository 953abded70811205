"""How much memory a large file takes."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.rare]

READ = """
import resource, sys
from sluice.sources import open_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = malformed = 0
source = open_source({"kind": "file", "path": sys.argv[1]})
for frame in source.read(None):
    rows += frame.height
    malformed += len(source.malformed)
    source.malformed.clear()
print(rows, malformed, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def line(format: str, n: int) -> str:
    if format == "jsonl":
        return f'{{"user": {n}, "item": {n % 9973}, "title": "A \\"film\\" of {n % 97}", "at": 1700000000}}\n'
    return f'{n},{n % 9973},"A ""film"", of {n % 97}",1700000000\n'


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_a_file_of_200_mb_is_read_in_little_memory(tmp_path: Path, name: str) -> None:
    """Not as much as the file has: batches of some megabytes. Malformed lines among them do not add up either."""
    format = name.split(".")[1]
    path = tmp_path / name
    rows = size = 0
    with gzip.open(path, "wt", compresslevel=1) if name.endswith("gz") else path.open("w") as file:
        if format == "csv":
            file.write("user,item,title,at\n")
        while size < 200_000_000:
            block = "".join(line(format, n) for n in range(rows, rows + 100_000)) + "broken\n" * 100
            file.write(block)
            rows, size = rows + 100_000, size + len(block)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, timeout=280
    )
    read, malformed, megabytes = map(int, done.stdout.split())
    assert (read, malformed) == (rows, rows // 1000)
    assert megabytes < 200, f"{megabytes} MB over what importing takes"
