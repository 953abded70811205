"""Models as plain MLflow code saves them, and what they answer."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from threadpoolctl import threadpool_limits

from sluice.model_flavour import quiet

# Without the extra onnx there is nothing to test here.
collect_ignore_glob = [] if find_spec("skl2onnx") else ["test_*.py"]

COLUMNS = ["age", "height", "weight", "score"]
_RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(_RANDOM.normal(size=(400, 4)) * [20, 0.2, 15, 1] + [50, 1.7, 70, 0], columns=COLUMNS)
_SIGNAL = ROWS["age"] / 20 + ROWS["score"] + _RANDOM.normal(size=400) * 0.3
YES = (_SIGNAL.rank(pct=True) > 0.5).astype(int).to_numpy()
THREE = pd.qcut(_SIGNAL, 3, labels=False).to_numpy()
AMOUNT = (_SIGNAL - _SIGNAL.min() + 0.1).to_numpy()

Save = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Trees of many libraries on few rows: with OpenMP's own choice of threads they wait for one another."""
    with threadpool_limits(1, user_api="openmp"):
        yield


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save ``model`` with its signature and example; gives the folder."""

    def saved(model: Any, rows: Any = ROWS, method: str = "predict") -> Path:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        library = type(model).__module__.split(".")[0]
        options: dict[str, Any] = {"pip_requirements": [], "input_example": rows[:5]}
        if library in {"xgboost", "lightgbm"}:
            module, name = getattr(mlflow, library), {"xgboost": "xgb_model", "lightgbm": "lgb_model"}[library]
            asked = _matrix(rows) if type(model).__name__ == "Booster" and library == "xgboost" else rows
            answer = model.predict(asked)
        else:
            module, name = mlflow.sklearn, "sk_model"
            answer = getattr(model, method)(rows)
            options |= {"pyfunc_predict_fn": method, "serialization_format": "cloudpickle"}
        with quiet():
            signature = infer_signature(rows, answer)
            module.save_model(**{name: model}, path=str(folder), signature=signature, **options)
        return folder

    return saved


def _matrix(rows: Any) -> Any:
    import xgboost

    return xgboost.DMatrix(rows)
