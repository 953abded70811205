"""Our service without any observation of requests: ``python -m benchmarks.unobserved_serving``, for a comparison only.

The settings leave out the request metrics and all log lines below ERROR; how long a model took has no setting.
"""

from typing import Any

from serving import __main__ as serving
from serving.predictor import Predictor


def _nothing(*_: Any) -> None: ...


def main() -> None:
    Predictor._observe = _nothing  # type: ignore[method-assign, assignment]
    serving.main()


if __name__ == "__main__":
    main()
