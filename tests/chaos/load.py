"""Load from a process of its own, and what came of it."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("load_client.py")
_ID = re.compile(r'x-sluice-prediction-id: ([0-9a-f]{32})|"prediction_id":"([0-9a-f]{32})"')
_VERSION = re.compile(r'x-sluice-model-version: (\w+)|"version":"(\w+)"')


@dataclass(frozen=True)
class Answer:
    """One request. Times are seconds since the epoch.

    Attributes:
        due: when it should have been sent.
        which: its place among the load's requests.
        status: 0 when the connection ended before an answer.
        text: head and body.
    """

    due: float
    sent: float
    done: float
    which: int
    status: int
    text: str

    @property
    def seconds(self) -> float:
        """What a caller waited, whoever kept it waiting."""
        return self.done - self.due

    @property
    def id(self) -> str:
        return _first(_ID, self.text)

    @property
    def version(self) -> str:
        return _first(_VERSION, self.text)

    @property
    def body(self) -> Any:
        return json.loads(self.text.partition("\r\n\r\n")[2])


@dataclass
class Load:
    """What is under way; ``answers`` are there once its block is left."""

    answers: list[Answer] = field(default_factory=list)

    def statuses(self) -> dict[int, int]:
        counts: dict[int, int] = {}
        for answer in self.answers:
            counts[answer.status] = counts.get(answer.status, 0) + 1
        return counts

    def ids(self, keep: Callable[[Answer], bool] = lambda answer: True) -> list[str]:
        """Of the predictions that were answered."""
        return [answer.id for answer in self.answers if answer.status == 200 and keep(answer)]


@contextmanager
def load(
    address: str, folder: Path, requests: Sequence[str], rate: float, connections: int = 16, name: str = "load"
) -> Iterator[Load]:
    """Send these requests in turn, so many a second, until the block is left."""
    into = folder / f"{name}.jsonl"
    plan = {"address": address, "rate": rate, "connections": connections, "requests": requests, "into": str(into)}
    found = Load()
    process = subprocess.Popen([sys.executable, PROGRAM, json.dumps(plan)])
    try:
        yield found
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    found.answers += sorted(map(_answer, into.read_text().splitlines()), key=lambda answer: answer.done)


def post(path: str, body: Any) -> str:
    """A request as it goes over the wire."""
    text = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(text)}\r\n\r\n{text}"


def percentile(answers: Sequence[Answer], share: float) -> float:
    """Milliseconds that such a share of the answers did not exceed."""
    waited = sorted(answer.seconds for answer in answers)
    return waited[min(len(waited) - 1, int(share * len(waited)))] * 1000


def _answer(line: str) -> Answer:
    due, sent, done, which, text = json.loads(line)
    return Answer(due, sent, done, which, int(text[9:12]) if text else 0, text)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return next(filter(None, found.groups())) if found else ""
