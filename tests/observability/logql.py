"""A strict reader of LogQL: the part of it that our dashboards use, and nothing else passes.

https://grafana.com/docs/loki/latest/query/. Loki itself is asked once a release; see docs/verification.md.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<duration>\d+(?:ms|s|m|h|d)|\$__(?:auto|interval|range))'
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>\|=|\|~|!=|!~|=~|==|>=|<=|[{}()\[\],=|<>]))"
)
_VECTOR = {"sum", "avg", "min", "max", "count", "topk", "bottomk", "sort", "sort_desc"}
_RANKED = {"topk", "bottomk"}
_RANGE = {"count_over_time", "rate", "bytes_over_time", "bytes_rate"}
_LINE = {"|=", "!=", "|~", "!~"}
_COMPARED = {"=", "==", "!=", "=~", "!~", ">", "<", ">=", "<="}


@dataclass
class Query:
    """What a query asks for.

    Attributes:
        labels: in the selectors of streams.
        filtered: labels and metadata that stages compare.
        ranges: in square brackets.
    """

    labels: list[str] = field(default_factory=list)
    filtered: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    metric: bool = False


def read(text: str) -> Query:
    """Raises ValueError where the text is no query."""
    reader = _Reader(text)
    reader.expression()
    if reader.tokens:
        raise ValueError(f"{text}: nothing is expected at {reader.tokens[0][1]}")
    return reader.query


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.query = text, list[tuple[str, str]](), Query()
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise ValueError(f"{text}: not understood at {text[position : position + 20]}")
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()

    def _next(self) -> tuple[str, str]:
        return self.tokens[0] if self.tokens else ("end", "")

    def _take(self, kind: str, *values: str) -> str:
        found, value = self._next()
        if found != kind or (values and value not in values):
            raise ValueError(f"{self.text}: {' or '.join(values) or kind} is expected, not {value or 'the end'}")
        self.tokens.pop(0)
        return value

    def _taken(self, kind: str, *values: str) -> str:
        found, value = self._next()
        return self._take(kind) if found == kind and (not values or value in values) else ""

    def expression(self) -> None:
        if self._next() == ("sign", "{"):
            self._lines()
            return
        self.query.metric = True
        name = self._take("name", *_VECTOR, *_RANGE)
        if name in _RANGE:
            self._take("sign", "(")
            self._lines()
            self._take("sign", "[")
            self.query.ranges.append(self._take("duration"))
            self._take("sign", "]")
            self._take("sign", ")")
            return
        self._grouping()
        self._take("sign", "(")
        if name in _RANKED:
            self._take("number")
            self._take("sign", ",")
        self.expression()
        self._take("sign", ")")

    def _grouping(self) -> None:
        if self._taken("name", "by", "without"):
            self._take("sign", "(")
            self._take("name")
            while self._taken("sign", ","):
                self._take("name")
            self._take("sign", ")")

    def _lines(self) -> None:
        self._take("sign", "{")
        finds_something = False
        while True:
            self.query.labels.append(self._take("name"))
            operator = self._take("sign", "=", "!=", "=~", "!~")
            value = self._take("string")[1:-1]
            # Loki refuses a query whose every matcher also matches a stream without the label.
            finds_something |= operator in {"=", "=~"} and value not in {"", ".*"}
            if not self._taken("sign", ","):
                break
        self._take("sign", "}")
        if not finds_something:
            raise ValueError(f"{self.text}: no matcher excludes the empty value")
        while self._next()[1] in _LINE | {"|"}:
            self._stage()

    def _stage(self) -> None:
        if self._take("sign", *_LINE, "|") != "|":
            _check_pattern(self._take("string"))
            return
        name = self._take("name")
        if name in {"json", "logfmt"}:
            while self._next()[0] == "name":
                self._take("name")
                self._take("sign", "=")
                self._take("string")
                if not self._taken("sign", ","):
                    break
        elif name == "line_format":
            self._take("string")
        else:
            self.query.filtered.append(name)
            self._take("sign", *_COMPARED)
            if not self._taken("number"):
                _check_pattern(self._take("string"))


def _check_pattern(quoted: str) -> None:
    # Go's patterns and Python's agree on what we use; a variable stands for a word.
    re.compile(re.sub(r"\$\w+", "x", quoted[1:-1]))
