"""SIGTERM under load."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.asked import ROW, three_protocols
from tests.chaos.conftest import StartService
from tests.chaos.load import load, post
from tests.chaos.stored import stored_in

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow]

MODELS = ("line", "batched", "slow")
SLEEP = {"dataframe_records": [ROW], "params": {"sleep": 1.0}}
# What was sent no longer than this before the service closed an idle connection may not have reached it.
UNDER_WAY_SECONDS = 0.2


def test_sigterm_under_load_drops_no_accepted_request(start_service: StartService, tmp_path: Path) -> None:
    """Quick, batched and slow requests are under way: all that were accepted are answered, and stand in the log."""
    service = start_service(*MODELS)
    assert service.how("batched") == "frame, batched"
    quick = [*three_protocols("line"), *three_protocols("batched")]
    slow = [post("/invocations?model=slow", SLEEP)]
    with (
        load(service.address, tmp_path, quick, 300, 16, "quick") as quickly,
        load(service.address, tmp_path, slow, 6, 3, "slow") as slowly,
    ):
        time.sleep(4)
        ended = time.time()
        service.send(signal.SIGTERM)
        code = service.wait()
        took = time.time() - ended
    answers = [*quickly.answers, *slowly.answers]
    assert code in (0, -signal.SIGTERM)
    assert {answer.status for answer in answers} <= {200, 0}
    dropped = [answer for answer in answers if answer.status == 0]
    assert all(answer.sent > ended - UNDER_WAY_SECONDS for answer in dropped)
    under_way = [answer for answer in slowly.answers if answer.sent < ended < answer.done]
    assert len(under_way) >= 2
    assert len(quickly.answers) > 500  # there was load
    # What was predicted was answered, and what was answered was written down before the process ended.
    assert stored_in(service.home, *MODELS).keys() == {*quickly.ids(), *slowly.ids()}
    sys.stdout.write(
        f"\n{len(answers)} sent; {len(under_way)} slow ones under way; ended after {took:.1f} s; not accepted: "
        f"{[round(answer.sent - ended, 3) for answer in dropped]} s after SIGTERM\n"
    )
