"""Bodies of the Open Inference Protocol, as its clients write them."""

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODES = {
    "BOOL": "?",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}


def tensor(name: str, datatype: str, shape: list[int], data: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, **more}


def body(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def in_binary(name: str, datatype: str, array: NDArray[Any]) -> tuple[dict[str, Any], bytes]:
    """A tensor's description and the bytes that come after the JSON."""
    if datatype == "BYTES":
        data = b"".join(struct.pack("<I", len(element)) + element for element in array.ravel())
    else:
        data = array.tobytes()
    described = {"name": name, "datatype": datatype, "shape": list(array.shape)}
    return {**described, "parameters": {"binary_data_size": len(data)}}, data


def binary_body(*tensors: tuple[dict[str, Any], bytes], **more: Any) -> tuple[bytes, int]:
    """A body and where its JSON ends."""
    header = body(*(described for described, _ in tensors), **more)
    return header + b"".join(data for _, data in tensors), len(header)


def pima() -> NDArray[np.float32]:
    return np.array([[6, 148, 72, 35, 0, 33.6, 0.627, 50], [1, 85, 66, 29, 0, 26.6, 0.351, 31]], np.float32)
