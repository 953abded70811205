"""Any value as a text that a person reads in a table: what it is, and never more than a few lines."""

import reprlib
from dataclasses import fields, is_dataclass
from typing import Any

from prefect.futures import PrefectFuture
from pydantic import BaseModel

LONGEST = 2_000  # characters of a result or an error
LONGEST_ARGUMENT = 500


def short_text(value: Any, longest: int = LONGEST) -> str:
    """At most so many characters; an ellipsis says that there was more. It does not raise, whatever the value is."""
    try:
        text = value if isinstance(value, str) else _SHORT.repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}, which has no text: {type(error).__name__}>"
    return text if len(text) <= longest else text[: longest - 1] + "…"


class _Short(reprlib.Repr):
    """Containers are cut, so that a large one takes no time; what has a text of its own is shown by that."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 5
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 30
        self.maxstring = self.maxother = 2 * LONGEST

    def repr_instance(self, x: Any, level: int) -> str:
        if isinstance(x, PrefectFuture):
            return f"result of {getattr(x, 'task_name', 'a task')}"
        if level <= 0:
            return self.fillvalue
        if callable(x) and hasattr(x, "__qualname__"):
            return f"{x.__module__}.{x.__qualname__}"
        # Our references say what they are; what pydantic makes of a model is as good as repr.
        inherited: set[object] = {object.__str__, BaseModel.__str__}
        if type(x).__str__ not in inherited:
            text = str(x)
        elif is_dataclass(x):
            shown = (field.name for field in fields(x) if field.repr)
            parts = (f"{name}={self.repr1(getattr(x, name), level - 1)}" for name in shown)
            text = f"{type(x).__name__}({', '.join(parts)})"
        else:
            text = repr(x)
        return text if len(text) <= self.maxother else text[: self.maxother - 1] + "…"


_SHORT = _Short()
