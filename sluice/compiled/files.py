"""A compiled model beside the model it was made of: ``compiled/model.onnx`` and ``compiled/agreement.json``."""

import hashlib
import json
import os
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from sluice.compiled.runtime import Agreement, Answer, Compiled, Form

FOLDER = "compiled"
_MODEL, _AGREEMENT = "model.onnx", "agreement.json"
# What both predictions come from: with another version of one of them, the comparison says nothing.
_DECIDING = ("numpy", "onnxruntime", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm")


def write(compiled: Compiled, folder: Path) -> None:
    """Into the model's ``folder``, whole or not at all."""
    form, answer = compiled.form, compiled.form.answer
    record = {
        "sha256": hashlib.sha256(form.model).hexdigest(),
        "columns": form.columns,
        "limit": form.limit,
        "answer": {"dtype": answer.dtype.str, "flat": answer.flat, "classes": _classes(answer)},
        "agreement": compiled.agreement._asdict(),
        "libraries": libraries(),
    }
    with tempfile.TemporaryDirectory(dir=folder, prefix=".compiled-") as parent:
        made = Path(parent) / FOLDER
        made.mkdir()
        (made / _MODEL).write_bytes(form.model)
        (made / _AGREEMENT).write_text(json.dumps(record, indent=1))
        if (folder / FOLDER).exists():
            os.rename(folder / FOLDER, Path(parent) / "before")
        try:
            os.rename(made, folder / FOLDER)
        except OSError:
            if not (folder / FOLDER).exists():  # otherwise another process was first
                raise


def read(folder: Path) -> Compiled | None:
    """None where there is none that counts here: its file is another than was compared, or the libraries are."""
    path = folder / FOLDER / _AGREEMENT
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
        model = (folder / FOLDER / _MODEL).read_bytes()
        if hashlib.sha256(model).hexdigest() != record["sha256"]:
            logger.warning("{}: the file is not the one that was compared; the original answers.", path.parent)
            return None
        if record["libraries"] != libraries():
            logger.info("{}: compared with other versions of the libraries; the original answers.", path.parent)
            return None
        return Compiled(_form(record, model), Agreement(**record["agreement"]))
    except Exception as error:  # damaged, or of another version of Sluice; ONNX Runtime has exceptions of its own
        logger.warning("{} cannot be read; the original answers. {}: {}", path.parent, type(error).__name__, error)
        return None


def libraries() -> dict[str, str]:
    """Installed versions of what decides."""
    found = {}
    for name in _DECIDING:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _classes(answer: Answer) -> Any:
    if answer.classes is None:
        return None
    return {"dtype": answer.classes.dtype.str, "values": answer.classes.tolist()}


def _form(record: dict[str, Any], model: bytes) -> Form:
    answer, classes = record["answer"], record["answer"]["classes"]
    labels = None if classes is None else np.array(classes["values"], np.dtype(classes["dtype"]))
    return Form(
        model,
        tuple(record["columns"]),
        float(record["limit"]),
        Answer(np.dtype(answer["dtype"]), bool(answer["flat"]), labels),
    )
