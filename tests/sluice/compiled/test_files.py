"""What lies beside the model counts only where it was compared, as it was compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from loguru import logger
from sklearn.linear_model import LogisticRegression

from sluice.compiled import compile_model, load_compiled
from tests.sluice.compiled.conftest import COLUMNS, ROWS, YES, Save


@pytest.fixture
def folder(save: Save) -> Path:
    made = save(LogisticRegression().fit(ROWS, np.array(["no", "yes"])[YES]))
    compile_model(made)
    return made


def test_what_was_written_is_read_again(folder: Path) -> None:
    """Columns, labels and agreement, and no folder of the work remains."""
    compiled = load_compiled(folder)
    assert compiled is not None
    assert compiled.columns == tuple(COLUMNS)
    assert compiled.agreement.rows > 1000
    labels = compiled.predict(np.ascontiguousarray(ROWS.to_numpy()))
    assert labels is not None
    assert set(labels) == {"no", "yes"}
    assert compile_model(folder).agreement == compiled.agreement
    assert sorted(path.name for path in (folder / "compiled").iterdir()) == ["agreement.json", "model.onnx"]
    assert not list(folder.glob(".compiled-*"))


def test_another_file_than_was_compared_is_not_loaded(folder: Path) -> None:
    """The record holds its hash; the original answers, and a log line says why."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    with (folder / "compiled" / "model.onnx").open("ab") as model:
        model.write(b"\0")
    assert load_compiled(folder) is None
    logger.remove(sink)
    assert any("not the one that was compared" in line for line in lines)


@pytest.mark.parametrize("damage", ["libraries", "record"])
def test_a_record_that_does_not_count_here(damage: str, folder: Path) -> None:
    """Made for another version of a library, or cut off."""
    path = folder / "compiled" / "agreement.json"
    record = json.loads(path.read_text())
    record["libraries"]["onnxruntime"] = "0.1"
    path.write_text(json.dumps(record) if damage == "libraries" else path.read_text()[:50])
    assert load_compiled(folder) is None


def test_a_model_without_a_compiled_form(save: Save) -> None:
    """None, and no complaint."""
    assert load_compiled(save(LogisticRegression().fit(ROWS, YES))) is None
