"""A FastAPI route that reads a JSON body and returns a constant: what FastAPI costs without a model.

uvicorn --loop uvloop --http httptools constant_fastapi:app
"""

from typing import Any

from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/invocations", response_model=None)
async def invocations(request: Request) -> dict[str, Any]:
    await request.json()
    return {"predictions": [1]}
