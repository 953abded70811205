"""A scikit-learn model on BentoML, adaptive batching on.

bentoml serve bentoml_service:Model, with the joblib file in MODEL_FILE
"""

import os
from pathlib import Path

import bentoml
import joblib
import numpy as np


# Metrics and a line for each request would only slow it down.
@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Model:
    def __init__(self) -> None:
        self.model = joblib.load(Path(os.environ["MODEL_FILE"]))

    # Beyond max_latency_ms it answers 503 instead of batching. Lists and async cost less processor time a request
    # than arrays and a thread.
    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=1000)
    async def predict(self, rows: list[list[float]]) -> list[int]:
        return self.model.predict(np.asarray(rows)).tolist()
