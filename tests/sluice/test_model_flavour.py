"""How trained objects become MLflow models: flavour, signature, example, and code that stays with its version."""

import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PythonModel, PythonModelContext
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from sluice.errors import ModelExampleFailedError, ModelSignatureMissingError
from sluice.model_flavour import log_model, smoke_test

EXAMPLE = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


@pytest.fixture(scope="module", autouse=True)
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A store of its own for the module, and an active run: what the registry gives around `log_model`."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        with mlflow.start_run():
            yield


class Rows(PythonModel):
    """Counts rows; ``k`` scales the count."""

    default_params = {"k": 2}  # noqa: RUF012 - as a use case's author writes it

    def artifacts(self, folder: Path) -> dict[str, str]:
        (folder / "offset.txt").write_text("100")
        return {"offset": str(folder / "offset.txt")}

    def load_context(self, context: PythonModelContext) -> None:
        self.offset = int(Path(context.artifacts["offset"]).read_text())

    def predict(
        self, context: PythonModelContext | None, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        return np.full(len(model_input), len(model_input) * (params or {})["k"] + getattr(self, "offset", 0))


def logged(model: Any, example: pd.DataFrame, folder: Path) -> ModelInfo:
    info = log_model(model, "line", example, folder)
    smoke_test(info.model_uri, "line", "(test)", example)
    return info


def test_an_estimator_is_logged_as_scikit_learns(tmp_path: Path) -> None:
    """With signature and input example, and without what MLflow's inference of requirements would take 12 s for."""
    info = logged(LinearRegression().fit(EXAMPLE, EXAMPLE["x"]), EXAMPLE, tmp_path)
    assert set(info.flavors) == {"python_function", "sklearn"}
    assert info.signature.inputs.input_names() == ["x"]
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    assert loaded.input_example.equals(EXAMPLE)
    files = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=str(tmp_path)))
    required = (files / "requirements.txt").read_text().split()
    assert {requirement.split("==")[0] for requirement in required} >= {"mlflow", "numpy", "pandas", "scikit-learn"}


def test_a_python_model_keeps_its_data_as_files_and_its_parameters(tmp_path: Path) -> None:
    """What ``artifacts`` wrote is loaded with it; ``default_params`` are in the signature, and may be changed."""
    info = logged(Rows(), EXAMPLE, tmp_path)
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    assert list(loaded.predict(EXAMPLE)) == [106] * 3
    assert list(loaded.predict(EXAMPLE, params={"k": 1})) == [103] * 3
    assert [param.name for param in info.signature.params] == ["k"]


@pytest.mark.parametrize(
    "missing",
    [
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1, None, 3], dtype="Int16"),
        pd.array([1, None, 3], dtype="UInt8"),
        pd.Series([1, None, 3], dtype=object),
    ],
    ids=["Int64", "Int16", "UInt8", "object"],
)
def test_integer_columns_with_missing_values_keep_the_signature(missing: Any, tmp_path: Path) -> None:
    """They are decimals in the signature (mlflow#25593), so a caller may leave values out; whole ones stay integers."""
    example = pd.DataFrame({"n": missing, "id": [1, 2, 3]})
    model = HistGradientBoostingRegressor(max_iter=1).fit(example.astype("float64"), [0, 1, 2])
    info = logged(model, example, tmp_path)
    assert {column.name: column.type.name for column in info.signature.inputs} == {"n": "double", "id": "long"}
    answer = mlflow.pyfunc.load_model(info.model_uri).predict(pd.DataFrame({"n": [None, 2.0], "id": [1, 2]}))
    assert len(answer) == 2


@pytest.mark.parametrize(
    ("example", "told"),
    [
        (pd.DataFrame(index=[0, 1]), "It has no columns"),
        (pd.DataFrame({"x": [1.0], "y": [None]}, dtype=object), "Nothing but missing values is in 'y'"),
    ],
    ids=["no columns", "nothing in a column"],
)
def test_without_a_signature_a_model_is_refused(example: pd.DataFrame, told: str, tmp_path: Path) -> None:
    """Where MLflow would write one that any input fits, the error says what the example lacks."""
    with pytest.raises(ModelSignatureMissingError, match=f"'line' has no signature.*{told}"):
        log_model(Rows(), "line", example, tmp_path)


def test_a_saved_model_without_a_signature_is_refused(tmp_path: Path) -> None:
    """Should MLflow drop it on the way, the smoke test sees it."""
    info = mlflow.sklearn.log_model(
        LinearRegression().fit(EXAMPLE, EXAMPLE["x"]),
        name="model",
        pip_requirements=[],
        serialization_format="cloudpickle",
    )
    with pytest.raises(ModelSignatureMissingError):
        smoke_test(info.model_uri, "line", "(test)", EXAMPLE)


def test_a_model_that_fails_on_its_example_is_refused(tmp_path: Path) -> None:
    """With what it said, before anything is saved."""
    with pytest.raises(ModelExampleFailedError, match="KeyError: 'k'"):
        log_model(_without_defaults(), "line", EXAMPLE, tmp_path)


def _without_defaults() -> Rows:
    model = Rows()
    model.default_params = {}
    return model


def test_expected_warnings_are_silent_and_others_are_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Integer columns, pickles and a missing pip are as we want them; anything else is heard."""
    example = pd.DataFrame({"id": [1, 2, 3]})  # warnings are errors in tests: MLflow's own would fail this one
    info = logged(LinearRegression().fit(example, [1, 2, 3]), example, tmp_path)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    for name in ("mlflow.sklearn", "mlflow.utils.environment"):
        logging.getLogger(name).warning("something else")
    assert [record.getMessage() for record in caplog.records][-2:] == ["something else"] * 2
    with pytest.warns(UserWarning, match="integer column"):
        mlflow.models.infer_signature(example)
    assert info.model_uri


def write_package(folder: Path, name: str, factor: int) -> None:
    """A use case in which class and rule are in modules of their own, with relative imports."""
    package = folder / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "rule.py").write_text(f"FACTOR = {factor}\n\n\ndef apply(x):\n    return FACTOR * x\n")
    (package / "model.py").write_text(
        textwrap.dedent(
            """
            import pandas as pd
            from mlflow.pyfunc import PythonModel
            from .rule import apply

            class Model(PythonModel):
                def predict(self, context, model_input: pd.DataFrame, params=None):
                    return apply(model_input["x"]).to_numpy()
            """
        )
    )


@pytest.mark.slow
def test_two_versions_of_a_class_stay_different_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version keeps the code it was trained with, of its class and of the modules beside it, and needs no package.

    In this process, where the package was imported twice, and in one that has never seen it.
    """
    name = "acme_forecast"
    uris = []
    for factor in (2, 3):
        folder = tmp_path / str(factor)
        write_package(folder, name, factor)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            invalidate_caches()
            uris.append(logged(import_module(f"{name}.model").Model(), EXAMPLE, tmp_path).model_uri)
        for module in [module for module in sys.modules if module.split(".")[0] == name]:
            del sys.modules[module]
    for _ in range(2):
        answers = [mlflow.pyfunc.load_model(uri).predict(EXAMPLE)[1] for uri in uris]
        assert answers == [2, 3]
    assert name not in sys.modules

    folders = [mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / f"v{n}")) for n, uri in enumerate(uris)]
    code = "import sys, mlflow, pandas as pd\nfor f in sys.argv[1:]:\n"
    code += "    print(mlflow.pyfunc.load_model(f).predict(pd.DataFrame({'x': [0.0, 1.0]}))[1])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *folders],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["2.0", "3.0"], done.stderr
