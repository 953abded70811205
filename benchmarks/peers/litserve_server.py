"""A scikit-learn model on LitServe: NumPy batches, its queue over ZeroMQ.

python litserve_server.py PORT, with the joblib file in MODEL_FILE
"""

import os
import sys
from pathlib import Path
from typing import Any

import joblib
import litserve
import numpy as np


class Model(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = joblib.load(Path(os.environ["MODEL_FILE"]))

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        return request["row"]

    def batch(self, inputs: list[list[float]]) -> np.ndarray:
        return np.asarray(inputs)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict(x)

    def unbatch(self, output: np.ndarray) -> list[int]:
        return output.tolist()

    def encode_response(self, output: int) -> dict[str, int]:
        return {"label": output}


if __name__ == "__main__":
    api = Model(max_batch_size=32, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", fast_queue=True)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
