"""``python -m tests.serving.mlflow_servers PORT FOLDER...``: MLflow's scoring server, once a model, in one process.

Each model is under the name of its folder. It is the application that ``mlflow models serve`` starts; a process of its
own keeps what MLflow sets in there away from ours, which runs in the test's.
"""

import sys
from pathlib import Path

import mlflow
import uvicorn
from fastapi import FastAPI
from mlflow.pyfunc.scoring_server import init


def main() -> None:
    app = FastAPI()
    for folder in sys.argv[2:]:
        app.mount(f"/{Path(folder).name}", init(mlflow.pyfunc.load_model(folder)))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    main()
