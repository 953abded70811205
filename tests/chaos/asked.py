"""One row through each of the three protocols, for the models of `log_models`."""

from tests.chaos.load import Answer, post

ROW = {"a": 0.5, "b": 0.25, "c": 0.125, "d": 0.75}


def three_protocols(model: str) -> list[str]:
    """MLflow's, our own and the Open Inference Protocol."""
    tensor = {"name": "input", "shape": [1, len(ROW)], "datatype": "FP64", "data": list(ROW.values())}
    split = {"columns": list(ROW), "data": [list(ROW.values())]}
    return [
        post(f"/invocations?model={model}", {"dataframe_split": split}),
        post(f"/models/{model}/predict", {"rows": [ROW]}),
        post(f"/v2/models/{model}/infer", {"inputs": [tensor]}),
    ]


def predicted(answer: Answer) -> float:
    """The one prediction of an answer in any of the three."""
    body = answer.body
    return float(body["predictions"][0] if "predictions" in body else body["outputs"][0]["data"][0])
