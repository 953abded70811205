"""How far a source was read, as the text that is stored with the data version."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def identity(kind: str, **options: Any) -> str:
    """Of what is read. A watermark of one place says nothing about another."""
    return hashlib.sha256(json.dumps([kind, options], sort_keys=True, default=str).encode()).hexdigest()[:16]


def encode(source: str, state: Mapping[str, Any]) -> str:
    return json.dumps({"source": source, **state}, sort_keys=True)


def decode(source: str, text: str | None) -> dict[str, Any] | None:
    """The state, or None when there is none, or it is of another source: then everything is read from the start."""
    try:
        state = json.loads(text or "null")
    except ValueError:
        return None
    return state if isinstance(state, dict) and state.pop("source", None) == source else None
