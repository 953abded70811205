"""Bodies for the scoring protocol, good and bad, for each model of `tests.serving.scored_models`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.serving.scored_models import DOUBLES, TWINS, WHOLE, encoded

JSON, CSV = "application/json", "text/csv"
SPLIT, RECORDS = "dataframe_split", "dataframe_records"


@dataclass(frozen=True)
class Payload:
    """``about`` says in a word what is special about it; with the model it is unique. ``media``: None for no header."""

    model: str
    about: str
    body: bytes
    media: str | None = JSON


class Raw(str):
    """JSON text that stands in a body as it is, where Python's JSON would write something else."""


MIXED_ROW: dict[str, Any] = {
    "n": 1, "x": 1.5, "text": "grün 🌲", "flag": True, "at": "2026-01-02T03:04:05", "maybe": 2.5, "note": "hm",
}  # fmt: skip
NESTED_ROW: dict[str, Any] = {
    "list": [1.5, 2.5], "object": {"x": 1, "y": "a"}, "map": {"one": 1, "two": 2}, "raw": encoded(b"\x00\xff"),
}  # fmt: skip
ROWS: dict[str, list[dict[str, Any]]] = {
    "doubles": DOUBLES[:3].to_dict("records"),
    "whole": [{**row, "float": round(row["float"], 3)} for row in WHOLE[:3].to_dict("records")],
    "mixed": [MIXED_ROW, {**MIXED_ROW, "n": -2, "flag": False, "maybe": None, "note": None}],
    "nested": [NESTED_ROW, {**NESTED_ROW, "list": [], "object": {"x": -1}, "map": {}}],
}  # fmt: skip
JUNK: dict[str, Any] = {
    "null": None, "true": True, "text": "text", "empty text": "", "digits": "1", "decimal": "1.5", "zero": 0,
    "minus zero": -0.0, "one": 1, "one as float": 1.0, "one and a half": 1.5, "2^31": 2**31, "2^53+1": 2**53 + 1,
    "2^63-1": 2**63 - 1, "2^63": 2**63, "2^64": 2**64, "10^30": 10**30, "10^400": Raw("1" + "0" * 400),
    "1e39": 1e39, "1e400": Raw("1e400"), "tiny": Raw("1e-400"), "NaN": Raw("NaN"), "Infinity": Raw("Infinity"),
    "-Infinity": Raw("-Infinity"), "list": [1], "empty list": [], "object": {"x": 1}, "empty object": {},
    "deep": [[[{"x": [None]}]]], "date": "2026-01-02", "zoned": "2026-01-02T03:04:05+02:00", "unicode": "日本 ü",
    "surrogate": Raw('"\\ud800"'), "nul": "\x00",
}  # fmt: skip


def dumped(value: Any) -> bytes:
    """JSON, with each `Raw` as it is."""
    raws: list[str] = []

    def marked(part: Any) -> Any:
        if isinstance(part, Raw):
            raws.append(str(part))
            return f"\x01{len(raws) - 1}\x01"
        if isinstance(part, dict):
            return {key: marked(inner) for key, inner in part.items()}
        return [marked(inner) for inner in part] if isinstance(part, list) else part

    text = json.dumps(marked(value))
    for number, raw in enumerate(raws):
        text = text.replace(f'"\\u0001{number}\\u0001"', raw)
    return text.encode()


def split(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    columns = list(rows[0])
    return {"columns": columns, "data": [[row[name] for name in columns] for row in rows], **more}


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def csv(rows: list[dict[str, Any]]) -> bytes:
    lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def _forms(rows: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The same rows in each form, and in forms that are off by a little."""
    first, lists = rows[0], [list(row.values()) for row in rows]
    backwards = [dict(reversed(row.items())) for row in rows]
    extra = [{**row, "extra": "x"} for row in rows]
    columns = as_columns(rows)
    names = list(first)
    yield "split", {SPLIT: split(rows)}
    yield "split, one row", {SPLIT: split(rows[:1])}
    yield "split, reordered", {SPLIT: split(backwards)}
    yield "split, extra column", {SPLIT: split(extra)}
    yield "split, index", {SPLIT: split(rows, index=list(range(7, 7 + len(rows))))}
    yield "split, index of text", {SPLIT: split(rows, index=[f"r{i}" for i in range(len(rows))])}
    yield "split, index twice the same", {SPLIT: split(rows, index=[0] * len(rows))}
    yield "split, short index", {SPLIT: split(rows, index=[])}
    yield "split, index null", {SPLIT: split(rows, index=None)}
    yield "split, columns null", {SPLIT: split(rows, columns=None)}
    yield "split, no columns", {SPLIT: {"data": lists}}
    yield "split, no data", {SPLIT: {"columns": names}}
    yield "split, data null", {SPLIT: split(rows, data=None)}
    yield "split, data empty", {SPLIT: split(rows, data=[])}
    yield "split, no row has values", {SPLIT: split(rows, data=[[]])}
    yield "split, data of objects", {SPLIT: split(rows, data=rows)}
    yield "split, short row", {SPLIT: split(rows, data=[*lists, lists[0][:-1]])}
    yield "split, long row", {SPLIT: split(rows, data=[*lists, [*lists[0], 1]])}
    yield "split, unknown key", {SPLIT: split(rows, dtype="float")}
    yield "split, a column twice", {SPLIT: {"columns": [*names, names[0]], "data": [[*one, one[0]] for one in lists]}}
    yield "split, last column is the first", {SPLIT: {"columns": [*names[:-1], names[0]], "data": lists}}
    yield "split, columns of numbers", {SPLIT: {"columns": list(range(len(names))), "data": lists}}
    yield "split, list", {SPLIT: lists}
    yield "split, text", {SPLIT: "text"}
    yield "records", {RECORDS: rows}
    yield "records, one row", {RECORDS: rows[:1]}
    yield "records, reordered", {RECORDS: backwards}
    yield "records, each in another order", {RECORDS: [rows[0], *backwards[1:]]}
    yield "records, extra column", {RECORDS: extra}
    yield "records, extra in one row", {RECORDS: [extra[0], *rows[1:]]}
    yield "records, empty", {RECORDS: []}
    yield "records, of nothing", {RECORDS: [{}]}
    yield "records, of null", {RECORDS: [None]}
    yield "records, one null", {RECORDS: [*rows, None]}
    yield "records, lists", {RECORDS: lists}
    yield "records, object", {RECORDS: rows[0]}
    yield "records, columns", {RECORDS: columns}
    yield "records, numbers", {RECORDS: [1, 2]}
    yield "records, text", {RECORDS: "text"}
    yield "records, null", {RECORDS: None}
    yield "instances, records", {"instances": rows}
    yield "instances, one record", {"instances": rows[:1]}
    yield "instances, reordered", {"instances": backwards}
    yield "instances, extra column", {"instances": extra}
    yield "instances, extra in one row", {"instances": [*rows, extra[0]]}
    yield "instances, lists", {"instances": lists}
    yield "instances, one list", {"instances": lists[:1]}
    yield "instances, values", {"instances": lists[0]}
    yield "instances, object", {"instances": rows[0]}
    yield "instances, columns", {"instances": columns}
    yield "instances, empty", {"instances": []}
    yield "instances, empty list", {"instances": [[]]}
    yield "instances, null", {"instances": None}
    yield "instances, ragged", {"instances": [*lists, lists[0][:-1]]}
    yield "instances, number", {"instances": 1}
    yield "inputs, columns", {"inputs": columns}
    yield "inputs, columns of one row", {"inputs": as_columns(rows[:1])}
    yield "inputs, columns reordered", {"inputs": as_columns(backwards)}
    yield "inputs, extra column", {"inputs": as_columns(extra)}
    yield "inputs, values", {"inputs": rows[0]}
    yield "inputs, records", {"inputs": rows}
    yield "inputs, lists", {"inputs": lists}
    yield "inputs, one list", {"inputs": lists[0]}
    yield "inputs, a column is short", {"inputs": {**columns, names[-1]: columns[names[-1]][:-1]}}
    yield "inputs, a column is empty", {"inputs": {**columns, names[-1]: []}}
    yield "inputs, columns are empty", {"inputs": {name: [] for name in names}}
    yield "inputs, columns of lists", {"inputs": {name: [[value] for value in columns[name]] for name in names}}
    yield "inputs, empty", {"inputs": []}
    yield "inputs, empty object", {"inputs": {}}
    yield "inputs, null", {"inputs": None}
    yield "inputs, text", {"inputs": "text"}
    yield "inputs, number", {"inputs": 1}
    for name in names:
        without = [{key: value for key, value in row.items() if key != name} for row in rows]
        yield f"split without {name}", {SPLIT: split(without)}
        yield f"records, one without {name}", {RECORDS: [*rows, without[0]]}
        yield f"inputs without {name}", {"inputs": as_columns(without)}


def _bodies(body: Any) -> Iterator[tuple[str, Any]]:
    """What may go wrong around the form. ``body`` is one that the model takes."""
    yield "twice a form", {**body, "instances": [[1]], "inputs": [[1]]}
    yield "form twice", {**body, SPLIT: split([{"a": 1}]), RECORDS: [{"a": 1}]}
    yield "other key", {**body, "other": 1}
    yield "no form", {"data": [[1]]}
    yield "old split", {"columns": ["a"], "data": [[1]]}
    yield "nothing", {}
    yield "list", [body]
    yield "signature_name", {**body, "signature_name": "serving_default"}
    for key in ("messages", "prompt", "input"):
        yield f"{key} beside it", {**body, key: "x"}
        yield f"{key} alone", {key: "x"}
    for about, params in {
        "null": None, "none": {}, "unknown": {"unheard": 1}, "list": [], "pairs": [["k", 1]], "text": "k",
        "empty text": "", "number": 5, "zero": 0, "false": False, "unknown and junk": {"unheard": {"a": [None]}},
    }.items():  # fmt: skip
        yield f"params {about}", {**body, "params": params}


def _texts(body: Any) -> Iterator[tuple[str, bytes, str | None]]:
    good = dumped(body)
    key = next(iter(body))
    value = dumped(body[key]).decode()
    for about, text in {
        "empty": b"", "blank": b" \n", "open": b"{", "cut": good[:-2], "null": b"null", "true": b"true", "text": b'"a"',
        "zero bytes": b"\x00" * 9, "not UTF-8": b'{"\xff": 1}', "tail": good + b"x", "twice": good + good,
        "byte order mark": b"\xef\xbb\xbf" + good, "UTF-16": good.decode().encode("utf-16"), "comment": good + b"//x",
        "trailing comma": good[:-1] + b",}", "single quotes": good.replace(b'"', b"'"), "spaces": b"\n\t " + good,
        "key twice, last counts": f'{{"{key}": 1, "{key}": {value}}}'.encode(),
        "key twice, last is wrong": f'{{"{key}": {value}, "{key}": 1}}'.encode(),
        "deep": b"[" * 5000, "NaN": b"NaN", "control character": b'{"a\n": 1}',
    }.items():  # fmt: skip
        yield f"bytes: {about}", text, JSON
    for media in (
        None, "", "application/json; charset=utf-8", "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=latin-1", "application/json; charset=utf8", "application/json; charset",
        "application/json; charset=", "application/json;", "application/json; ;", "application/json; profile=x",
        "application/json; charset=utf-8; profile=x", "application/json; charset = utf-8",
        "application/json ; charset=utf-8",
        "Application/JSON", "application/json; Charset=utf-8", "application/json; charset=latin-1; charset=utf-8",
        "application/x-json", "application/jsonx", "text/plain", "text/json", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/json, text/csv", "*/*", "json", ";", "application/octet-stream",
        "application/vnd.apache.parquet", "text/csv",
    ):  # fmt: skip
        yield f"type {media!r}", good, media


def _csvs(rows: list[dict[str, Any]]) -> Iterator[tuple[str, bytes, str]]:
    good = csv(rows)
    head, _, rest = good.partition(b"\n")
    for about, text in {
        "rows": good, "one row": csv(rows[:1]), "reordered": csv([dict(reversed(row.items())) for row in rows]),
        "extra column": csv([{**row, "extra": 1} for row in rows]), "no end of line": good[:-1], "only a head": head,
        "CRLF": good.replace(b"\n", b"\r\n"), "no head": rest, "empty": b"", "blank": b"\n\n", "semicolons":
        good.replace(b",", b";"), "quotes": good.replace(head, b",".join(b'"%s"' % n for n in head.split(b","))),
        "open quote": good + b'"1,', "short row": good + b"1\n", "long row": good + b"1" + b",1" * 30 + b"\n",
        "text for numbers": head + b"\n" + b",".join([b"text"] * len(rows[0])) + b"\n",
        "missing values": head + b"\n" + b"," * (len(rows[0]) - 1) + b"\n", "an index": b"," + head + b"\n" +
        b"\n".join(b"%d,%s" % (i, line) for i, line in enumerate(rest.splitlines())), "not UTF-8": good + b"\xff",
        "byte order mark": b"\xef\xbb\xbf" + good, "blank lines": good.replace(b"\n", b"\n\n"),
    }.items():  # fmt: skip
        yield f"csv: {about}", text, CSV
    for media in ("text/csv; charset=utf-8", "text/csv; charset=latin-1", "text/csv; header=present", "TEXT/CSV"):
        yield f"csv: type {media}", good, media


def _tables(name: str) -> Iterator[Payload]:
    rows = ROWS[name]
    for about, body in (*_forms(rows), *_bodies({SPLIT: split(rows)}), *_bodies_of_inputs(rows)):
        yield Payload(name, about, dumped(body))
    for about, text, media in (*_texts({RECORDS: rows}), *_csvs(rows)):
        yield Payload(name, about, text, media)
    for column in rows[0]:
        for about, junk in JUNK.items():
            wrong = {**rows[0], column: junk}
            # Alone, and beside a row that is right: pandas takes the one for another type than the two.
            yield Payload(name, f"{column} is {about}", dumped({RECORDS: [wrong]}))
            yield Payload(name, f"{column} is {about} in one row", dumped({SPLIT: split([rows[0], wrong])}))
            yield Payload(name, f"{column} is {about} in inputs", dumped({"inputs": as_columns([wrong, rows[0]])}))


def _bodies_of_inputs(rows: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    yield "inputs and signature_name", {"inputs": as_columns(rows), "signature_name": "x"}
    yield "inputs and params null", {"inputs": as_columns(rows), "params": None}


def _params() -> Iterator[Payload]:
    for param in ("k", "scale", "word", "deep", "list"):
        for about, junk in JUNK.items():
            body = {RECORDS: ROWS["mixed"][:1], "params": {param: junk}}
            yield Payload("mixed", f"param {param} is {about}", dumped(body))
    given = {"k": 9, "scale": 0.5, "word": "grün", "deep": True, "list": [3, 4, 5], "unheard": 1}
    for form, data in (
        ("instances", ROWS["mixed"]),
        ("inputs", as_columns(ROWS["mixed"])),
        (SPLIT, split(ROWS["mixed"])),
    ):
        yield Payload("mixed", f"all params with {form}", dumped({"params": given, form: data}))


def _tensor() -> Iterator[Payload]:
    lists = DOUBLES[:3].to_numpy().tolist()
    for form in ("instances", "inputs"):
        for about, data in {
            "lists": lists, "one list": lists[:1], "whole numbers": [[1, 2, 3, 4]], "a row": lists[0],
            "short": [[1, 2, 3]], "long": [[1, 2, 3, 4, 5]], "ragged": [[1, 2, 3, 4], [1]],
            "deep": [lists], "empty": [], "empty row": [[]],
            "null": None, "number": 1, "text": "a", "object": {"a": lists}, "objects": [{"a": lists[0]}],
            "rows by name": [{"x": row} for row in lists], "unnamed object": {"": lists}, "no columns": {"columns": []},
        }.items():  # fmt: skip
            yield Payload("tensor", f"{form}, {about}", dumped({form: data}))
        for about, junk in JUNK.items():
            yield Payload("tensor", f"{form} has {about}", dumped({form: [[1.5, junk, 2.5, 3.5], lists[0]]}))
    names = ["a", "b", "c", "d"]
    records = [dict(zip(names, row, strict=True)) for row in lists]
    for about, body in (*_forms(records), *_bodies({"inputs": lists})):
        yield Payload("tensor", f"table: {about}", dumped(body))
    for about, text, media in (*_texts({"inputs": lists}), *_csvs(records)):
        yield Payload("tensor", about, text, media)


def _tensors() -> Iterator[Payload]:
    good = {"image": [[[1, 2], [3, 4.5]], [[5, 6], [7, 8]]], "n": [1, 2]}
    rows = [{"image": image, "n": n} for image, n in zip(good["image"], good["n"], strict=True)]
    for about, data in {
        "both": good, "reordered": dict(reversed(good.items())), "one": {"image": good["image"]},
        "flat": {**good, "image": [1, 2, 3, 4]}, "other shape": {**good, "image": [[[1, 2, 3], [4, 5, 6]]]},
        "extra": {**good, "extra": [1, 2]},
        "lists": good["image"], "counts of another length": {**good, "n": [1]}, "scalar": {**good, "n": 1},
        "rows": rows, "empty": {"image": [], "n": []}, "objects": {"image": {"x": 1}, "n": [1]},
        "texts": {**good, "n": ["a", "b"]},
    }.items():  # fmt: skip
        for form in ("inputs", "instances"):
            yield Payload("tensors", f"{form}, {about}", dumped({form: data}))
    for about, junk in JUNK.items():
        yield Payload("tensors", f"n is {about}", dumped({"inputs": {**good, "n": [junk, 2]}}))
        yield Payload("tensors", f"a pixel is {about}", dumped({"instances": [{"image": [[junk, 1], [2, 3]], "n": 1}]}))
    for about, body in _bodies({"inputs": good}):
        yield Payload("tensors", about, dumped(body))


def _hinted() -> Iterator[Payload]:
    for form in ("inputs", "instances", SPLIT, RECORDS):
        for about, data in {
            "texts": ["a", "grün"],
            "none": [],
            "text": "a",
            "numbers": [1],
            "records": [{"a": "b"}],
        }.items():
            yield Payload("hinted", f"{form}, {about}", dumped({form: data}))
    for about, junk in JUNK.items():
        yield Payload("hinted", f"a text is {about}", dumped({"inputs": ["a", junk]}))
    for about, body in _bodies({"inputs": ["a"]}):
        yield Payload("hinted", about, dumped(body))


def corpus() -> list[Payload]:
    """All of them, in a fixed order."""
    tables = [payload for name in ("doubles", "whole", "mixed", "nested") for payload in _tables(name)]
    found = [*tables, *_params(), *_tensor(), *_tensors(), *_hinted()]
    twins = [
        Payload(twin, payload.about, payload.body, payload.media)
        for twin, name in TWINS.items()
        for payload in found
        if payload.model == name
    ]
    return [*found, *twins]
