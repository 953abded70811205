"""Models compiled for serving: ONNX Runtime, where the model converts and its predictions agree with the original's."""

from sluice.compiled.compile import FLAVOURS, compile_model, load_compiled
from sluice.compiled.files import FOLDER
from sluice.compiled.runtime import Agreement, Compiled

__all__ = ["FLAVOURS", "FOLDER", "Agreement", "Compiled", "compile_model", "load_compiled"]
