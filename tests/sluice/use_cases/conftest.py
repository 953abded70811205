"""What tests of use cases share: a model as the registry keeps it, asked where no use case can be imported."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Answer = Callable[[Path, pd.DataFrame], pd.DataFrame]

_ASK = textwrap.dedent(
    """
    import sys

    class NoUseCases:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("sluice.use_cases"):
                raise ModuleNotFoundError(f"{name} was asked for by a model")

    sys.meta_path.insert(0, NoUseCases())
    import mlflow, pandas
    asked = pandas.read_json(sys.argv[2], orient="split", dtype=False)
    answer = mlflow.pyfunc.load_model(sys.argv[1]).predict(asked.astype("float64"))
    print(answer.to_json(orient="split", double_precision=15))
    """
)


@pytest.fixture
def ask_elsewhere(tmp_path: Path) -> Answer:
    """Loads a saved model in a process of its own, which has the kernel but no use case, and asks it."""

    def ask(saved: Path, rows: pd.DataFrame) -> pd.DataFrame:
        file = tmp_path / "asked.json"
        rows.to_json(file, orient="split", double_precision=15)
        command = [sys.executable, "-c", _ASK, str(saved), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stderr
        return pd.DataFrame(**json.loads(done.stdout.splitlines()[-1]))

    return ask
