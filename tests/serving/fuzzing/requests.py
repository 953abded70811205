"""Requests to every route: from nearly right to anything at all."""

import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from hypothesis import strategies as st

from serving.prediction_id import id_maker
from tests.serving.fuzzing.connection import Request
from tests.serving.fuzzing.models import KINDS, NAMES, NUMBERS

ROUTES = (
    "GET /recommendations/{user}", "POST /invocations", "POST /models/{name}/predict", "POST /models/{name}/stream",
    "POST /feedback", "GET /models", "GET /models/{name}", "GET /v2", "GET /v2/health/live", "GET /v2/health/ready",
    "POST /v2/repository/index", "GET /v2/models/{name}", "GET /v2/models/{name}/ready", "POST /v2/models/{name}/infer",
    "GET /v2/models/{name}/versions/{version}", "GET /v2/models/{name}/versions/{version}/ready",
    "POST /v2/models/{name}/versions/{version}/infer", "GET /ping", "GET /health", "GET /version", "GET /livez",
    "GET /readyz", "GET /metrics", "GET /docs", "GET /openapi.json", "GET /docs/static/{file}",
    "GET /docs/oauth2-redirect", "GET /models/{name}/versions", "GET /models/{name}/history",
    "GET /models/{name}/evaluation", "GET /models/{name}/versions/{version}/evaluation",
    "POST /models/{name}/promote", "POST /models/{name}/rollback",
)  # fmt: skip
# Those that read a body, or compute.
BUSY = tuple(route for route in ROUTES if route.startswith("POST") or "recommendations" in route)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "QUERY")
CONTENT_TYPES = (
    b"application/json", b"application/json; charset=utf-8", b"application/json;charset=latin-1", b"text/csv",
    b"text/csv; charset=utf-8; header=present", b"application/vnd.apache.parquet", b"application/octet-stream",
    b"application/x-ndjson", b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded", b";", b"",
)  # fmt: skip
_DEEP = st.integers(1, 3000).map(lambda depth: "[" * depth + "]" * depth)
_TIMES = ("2024-02-30", "2024-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "now", "1e400")

rarely = st.sampled_from([False] * 9 + [True])
odd_text = st.one_of(
    st.text(st.characters(), max_size=20),  # with lone surrogates and control characters
    st.sampled_from(["", "\0", "..", "%00", "a" * 300, "é\u2028", "NaN", "1", "-1", *_TIMES]),
    st.text("ab/:%\\.\n", max_size=6),
)
odd_numbers = st.one_of(
    st.integers(-3, 3), st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([2**31, 2**53, 2**63, 2**64, 1e308])
)
anything = st.recursive(
    st.none() | st.booleans() | odd_numbers | odd_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4),
    max_leaves=8,
)
names = rarely.flatmap(lambda rare: odd_text if rare else st.sampled_from(NAMES))
versions = rarely.flatmap(lambda rare: odd_text if rare else st.sampled_from(["1", "1", "1", "01", "2", "0"]))
columns = st.sampled_from([*NUMBERS, "user_id", *(kind.name for kind in KINDS), "x"]) | odd_text
_fine: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(NUMBERS, st.floats(-1e3, 1e3) | st.integers(-9, 9)),
    **dict.fromkeys(("user_id", "integer", "long"), st.integers(-9, 2**31)),
    **dict.fromkeys(("float", "double"), st.floats(-1e3, 1e3)),
    "boolean": st.booleans(),
    "string": odd_text,
    "binary": st.sampled_from(["", "YQ==", "é"]),
    "datetime": st.sampled_from(_TIMES),
}
_KINDS = tuple(kind.name for kind in KINDS)
# The columns of each model's input; tensor's have no names.
_TAKES = {
    **dict.fromkeys(("movies", "others", "broken"), ("user_id",)),
    **dict.fromkeys(("linear", "forest", "tensor"), NUMBERS),
    **dict.fromkeys(("every", "loose"), _KINDS),
}


@st.composite
def rows(draw: st.DrawFn, model: str) -> list[dict[str, Any]]:
    """Records that the model could take, and now and then one that it cannot."""
    chosen = _TAKES.get(model, NUMBERS)
    made = draw(st.lists(st.fixed_dictionaries({name: _fine[name] for name in chosen}), min_size=1, max_size=3))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        made[0][draw(st.sampled_from(chosen) | columns)] = draw(anything)
    return made


params = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "k": st.integers(-1, 50) | anything,
            "exclude": st.lists(st.sampled_from(["100", "x"]), max_size=2) | anything,
            "genre": st.sampled_from(["drama", "none"]) | anything,
            "share": anything,
            "names": anything,
            "include_holdout": st.booleans(),
        },
    ),
    anything,
)


@st.composite
def scoring(draw: st.DrawFn, model: str) -> Any:
    """One of the scoring protocol's forms, or what is nearly one."""
    records = draw(rows(model))
    wanted = list(records[0])
    matrix = [[record.get(name) for name in wanted] for record in records]
    split = {"columns": wanted, "data": matrix}
    if draw(rarely):
        split[draw(st.sampled_from(["columns", "data", "index", "x"]))] = draw(anything)
    forms: dict[str, Any] = {
        "dataframe_split": split,
        "dataframe_records": records,
        "instances": draw(st.sampled_from([records, matrix])),
        "inputs": draw(st.sampled_from([{name: [row.get(name) for row in records] for name in wanted}, matrix])),
    }
    form = draw(st.sampled_from(list(forms)))
    body = {form: draw(anything) if draw(rarely) else forms[form]}
    if draw(st.booleans()):
        body["params"] = draw(params)
    return body


_DATATYPES = (
    "BOOL",
    *(f"{kind}{size}" for kind in ("INT", "UINT") for size in (8, 16, 32, 64)),
    "FP16",
    "FP32",
    "FP64",
)
_tensor_values = st.lists(st.floats(-9, 9) | st.integers(0, 9) | odd_numbers | odd_text | st.none(), max_size=9)
_parameters = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "binary_data_output", "content_type", "k", "classification"]),
    st.booleans() | st.integers(0, 80) | anything,
    max_size=2,
)


@st.composite
def tensor(draw: st.DrawFn) -> dict[str, Any]:
    name, datatype = draw(columns), draw(st.sampled_from([*_DATATYPES, "BYTES", "FP64", "FP64", "BF16"]))
    length = draw(st.integers(0, 3))
    if draw(st.booleans()):
        plain = st.floats(-9, 9) if datatype.startswith("FP") else st.integers(0, 1)
        values = odd_text if datatype == "BYTES" else st.booleans() if datatype == "BOOL" else plain
        shape = draw(st.sampled_from([[length, 3], [length], [length, 1]]))
        size = length * (shape[1] if len(shape) == 2 else 1)
        made = {"name": name, "datatype": datatype, "shape": shape}
        made["data"] = draw(st.lists(values, min_size=size, max_size=size))
    else:
        shape = draw(st.lists(st.integers(-1, 3) | st.integers(0, 2**70), max_size=4) | anything)
        made = {"name": name, "datatype": datatype, "shape": shape, "data": draw(_tensor_values | anything)}
    if draw(rarely):
        made["parameters"] = draw(_parameters)
    if draw(rarely):
        made[draw(st.sampled_from(list(made)))] = draw(anything)
    return made


_SAID = {
    **dict.fromkeys(("string", "binary", "datetime"), "BYTES"),
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "user_id": "INT64",
}
_outputs = st.lists(
    st.fixed_dictionaries({"name": columns | st.sampled_from(["output-1"])}, optional={"parameters": _parameters}),
    max_size=2,
)


@st.composite
def inference(draw: st.DrawFn, model: str) -> Any:
    """An inference request: one matrix, a tensor a column, or tensors of any kind."""
    wanted = _TAKES.get(model, NUMBERS)
    records = draw(rows(model))
    kind = draw(st.sampled_from(["matrix", "columns", "columns", "any"]))
    inputs: Any = draw(st.lists(tensor(), min_size=1, max_size=4) | anything) if kind == "any" else []
    if kind == "matrix":
        values = [record.get(name) for record in records for name in wanted]
        inputs = [{"name": "x", "datatype": "FP64", "shape": [len(records), len(wanted)], "data": values}]
    if kind == "columns":
        for name in wanted:
            made = {"name": name, "datatype": _SAID.get(name, "FP64"), "shape": [len(records)]}
            inputs.append({**made, "data": [record.get(name) for record in records]})
        if draw(rarely):
            inputs[draw(st.integers(0, len(inputs) - 1))] = draw(tensor())
    body = {"inputs": inputs}
    if draw(rarely):
        body[draw(st.sampled_from(["id", "inputs", "x"]))] = draw(anything)
    if draw(rarely):
        body["parameters"] = draw(_parameters | anything)
    if draw(rarely):
        body["outputs"] = draw(_outputs | anything)
    return body


feedback = st.fixed_dictionaries(
    {
        "prediction_id": st.builds(id_maker()) | odd_text,
        "outcome": anything,
    },
    optional={"row": st.integers(0, 2) | anything, "model": names, "at": st.sampled_from(_TIMES) | odd_text},
)


def _mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return rarely.flatmap(lambda rare: other if rare else usual)


def _written(value: Any) -> bytes:
    """JSON with all that Python's has beyond the standard."""
    return json.dumps(value).encode()


def _bodies(route: str, model: str) -> st.SearchStrategy[bytes]:
    raw = st.binary(max_size=60) | _DEEP.map(str.encode) | anything.map(_written)
    if "invocations" in route:
        csv = st.tuples(st.sampled_from(["a,b,c", "user_id", ""]), st.text(max_size=30)).map("\n".join)
        deep = st.tuples(st.sampled_from(["inputs", "instances", "dataframe_split"]), _DEEP)
        raw |= csv.map(lambda text: text.encode("utf-8", "surrogatepass"))
        raw |= deep.map(lambda part: b'{"%b":%b}' % (part[0].encode(), part[1].encode()))
        return _mostly(scoring(model).map(_written), raw)
    if "infer" in route:
        asked = inference(model).map(_written)
        return _mostly(asked, st.tuples(asked, st.binary(max_size=80)).map(b"".join) | raw)
    if "feedback" in route:
        told = feedback.map(_written)
        return _mostly(told, st.tuples(told, _DEEP).map(lambda p: p[0][:-1] + b',"outcome":%b}' % p[1].encode()) | raw)
    if "stream" in route:
        line = rows(model).map(lambda made: _written(made[0]))
        return _mostly(st.lists(_mostly(line, raw), max_size=4).map(b"\n".join), raw)
    if "promote" in route or "rollback" in route:
        told = {"version": versions | anything, "to": versions | anything, "reason": odd_text}
        return _mostly(st.fixed_dictionaries({}, optional=told).map(_written), raw)
    if "predict" in route:
        optional = {"params": params, "x": anything}
        typed = rows(model).flatmap(lambda made: st.fixed_dictionaries({"rows": st.just(made)}, optional=optional))
        return _mostly(st.builds(lambda made: {"rows": made}, rows(model)) | typed, anything).map(_written)
    return st.just(b"") | raw


_header_names = st.sampled_from(
    [
        b"accept", b"accept-encoding", b"x-api-key", b"authorization", b"x-forwarded-for", b"expect",
        b"inference-header-content-length", b"range", b"if-none-match", b"cookie", b"connection", b"upgrade",
    ]
)  # fmt: skip
_header_values = st.one_of(
    st.binary(max_size=20).map(lambda value: bytes(one for one in value if one >= 32 and one != 127)),
    st.sampled_from(
        [b"close", b"gzip", b"100-continue", b"0", b"10", b"-1", b"99999999999999999999", b"bytes=0-", b"h2c"]
    ),
)
_queries = st.dictionaries(
    st.sampled_from(["k", "exclude", "genre", "model", "version", "alias", "limit", "cursor", "x"]),
    st.one_of(odd_text, names, st.integers(-2, 12).map(str), st.sampled_from(["champion", "100,101,x", "Drama"])),
    max_size=4,
)
_questions = st.fixed_dictionaries(
    {},
    optional={
        "k": st.integers(0, 12).map(str) | odd_text,
        "exclude": st.sampled_from(["100", "100,101,x", ","]) | odd_text,
        "genre": st.sampled_from(["Drama", "crime", "none"]) | odd_text,
        "model": names,
    },
)


def _part(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A route of the service with whatever can come with it."""
    method, _, template = draw(st.sampled_from((*BUSY, *BUSY, *BUSY, *ROUTES))).partition(" ")
    model = draw(names)
    user = str(draw(st.integers(-2, 25))) if draw(st.booleans()) else draw(odd_text)
    path = template.format(
        name=_part(model),
        user=_part(user),
        version=_part(draw(versions)),
        file=_part(draw(st.sampled_from(["swagger-ui.css", "../../etc/passwd", "\0", "a" * 300]) | odd_text)),
    )
    query = draw(_queries) if draw(rarely) or draw(rarely) else {}
    if template == "/invocations" and not draw(rarely):
        query["model"] = model
    if "recommendations" in template:
        query |= draw(_questions)
    target = path.encode()
    if query:
        as_it_is = draw(rarely)
        target += b"?" + (_unquoted(query) if as_it_is else urlencode(query, errors="surrogatepass").encode())
    headers = [(b"content-type", CONTENT_TYPES[0])]
    if draw(rarely):
        headers = [(b"content-type", draw(st.sampled_from(CONTENT_TYPES) | _header_values))]
    headers += draw(st.lists(st.tuples(_header_names, _header_values), max_size=2))
    if draw(rarely):
        headers.append((b"origin", draw(_header_values)))
    if draw(rarely):
        method = draw(st.sampled_from(METHODS))
    return Request(method, target, tuple(headers), draw(_bodies(template, model)))


def _unquoted(query: dict[str, str]) -> bytes:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return bytes(one for one in text.encode("utf-8", "surrogatepass") if one > 32 and one not in b"#\x7f")
