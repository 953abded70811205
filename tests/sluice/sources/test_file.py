"""Files in every format, good and broken."""

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from sluice.errors import SourceInvalidError, SourceUnavailableError
from sluice.settings import Settings
from sluice.sources import Malformed, Source, open_source
from tests.fakes.bucket import bucket

ROWS = [(str(n), f"name {n}") for n in range(1000)]
CSV = "id,name\n" + "".join(f"{id},{name}\n" for id, name in ROWS)


def file(path: Path | str, **options: Any) -> Source:
    return open_source({"kind": "file", "path": str(path), **options})


def rows(source: Source, since: str | None = None) -> list[tuple[Any, ...]]:
    return [row for frame in source.read(since) for row in frame.iter_rows()]


def malformed(source: Source) -> list[tuple[int | None, str, str]]:
    return [(one.line, one.text, one.reason) for one in source.malformed]


def zstd(data: bytes) -> bytes:
    compressed: bytes = pa.compress(data, "zstd", asbytes=True)
    return compressed


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV.encode()),
        ("a.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()),
        ("a.csv", CSV.replace("\n", "\r").encode()),
        ("a.tsv", CSV.replace(",", "\t").encode()),
        ("a.csv.gz", gzip.compress(CSV.encode())),
        ("a.csv.gz", gzip.compress(CSV[:5000].encode()) + gzip.compress(CSV[5000:].encode())),
        ("a.csv.bz2", bz2.compress(CSV.encode())),
        ("a.tab.zst", zstd(CSV.replace(",", "\t").encode())),
        ("a.jsonl", "".join(json.dumps({"id": i, "name": n}) + "\n" for i, n in ROWS).encode()),
        ("a.ndjson.gz", gzip.compress("\n\n".join(json.dumps({"id": i, "name": n}) for i, n in ROWS).encode())),
    ],
    ids=["csv", "csv-windows", "csv-old-mac", "tsv", "gz", "gz-members", "bz2", "zst", "jsonl", "jsonl-gz"],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    """The name's ending tells format and compression; a second reading gives nothing."""
    (tmp_path / name).write_bytes(content)
    source = file(tmp_path / name)
    assert rows(source) == ROWS
    assert source.malformed == []
    assert rows(file(tmp_path / name), source.watermark) == []


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    """Numbers stay numbers; batches are bounded."""
    pl.DataFrame({"id": range(120_000)}).write_parquet(tmp_path / "a.parquet")
    frames = list(file(tmp_path / "a.parquet").read(None))
    assert frames[0].schema == {"id": pl.Int64}
    assert max(frame.height for frame in frames) <= 50_000
    assert sum(frame.height for frame in frames) == 120_000


def test_a_pattern_takes_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Of several formats, and bad values as they are: the contract judges them row by row."""
    (tmp_path / "b.csv").write_text("user_id,rating\n2,oops\n")
    (tmp_path / "a.csv").write_text("user_id,rating\n1,3.5\n")
    (tmp_path / "sub").mkdir()
    pl.DataFrame({"user_id": [3], "rating": [1.0]}).write_parquet(tmp_path / "sub" / "c.parquet")
    assert rows(file(f"{tmp_path}/*")) == [("1", "3.5"), ("2", "oops")]
    assert rows(file(f"{tmp_path}/**/*")) == [("1", "3.5"), ("2", "oops"), (3, 1.0)]


def test_only_new_and_changed_files_are_read_again(tmp_path: Path) -> None:
    """The watermark knows files by name and content, and stays unset until the last batch was taken."""
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("x\n2\n")
    first = file(tmp_path / "*.csv")
    reading = first.read(None)
    next(reading)
    assert first.watermark is None
    assert len(list(reading)) == 1
    (tmp_path / "b.csv").write_text("x\n3\n")
    (tmp_path / "c.csv").write_text("x\n4\n")
    second = file(tmp_path / "*.csv")
    assert rows(second, first.watermark) == [("3",), ("4",)]
    assert rows(file(tmp_path / "*.csv"), second.watermark) == []


def test_a_watermark_of_another_source_is_not_believed(tmp_path: Path) -> None:
    """When use_case.yaml names other files, those are read from the start; so they are after a watermark of old."""
    (tmp_path / "a.csv").write_text("x\n1\n")
    source = file(tmp_path / "*.csv")
    assert rows(source) == [("1",)]
    for since in (source.watermark, "17", "not json", '{"source": 1}', "[]"):
        assert rows(file(tmp_path / "a.csv"), since) == [("1",)]


def test_fingerprint_changes_with_content_and_with_a_new_file(tmp_path: Path) -> None:
    """An ingest is skipped only while nothing changed."""
    source = file(tmp_path / "*.csv")
    (tmp_path / "a.csv").write_text("x\n1\n")
    first = source.fingerprint()
    assert source.fingerprint() == first
    (tmp_path / "a.csv").write_text("x\n2\n")
    second = source.fingerprint()
    (tmp_path / "b.csv").write_text("x\n3\n")
    assert len({first, second, source.fingerprint()}) == 3


def test_lines_that_are_no_rows_are_kept_with_number_text_and_reason(tmp_path: Path) -> None:
    """Too few and too many values, in a CSV whose quoted values hold separators and line breaks."""
    (tmp_path / "a.csv").write_text('a,b\n1,"x,y"\n2\n3,"p\nq"\n4,5,6\n\n7,\n8,""\n')
    source = file(tmp_path / "a.csv")
    assert rows(source) == [("1", "x,y"), ("3", "p\nq"), ("7", None), ("8", "")]
    assert malformed(source) == [(3, "2", "1 values instead of 2"), (5, "4,5,6", "3 values instead of 2")]


def test_malformed_lines_know_their_number_far_into_the_file(tmp_path: Path) -> None:
    """The file is read in blocks; the number is the file's."""
    lines = ["a,b"] + [f"{n},{'x' * 40}" for n in range(2, 100_001)]
    lines[77_776] = "broken"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    source = file(tmp_path / "a.csv")
    assert len(rows(source)) == 99_998
    assert malformed(source) == [(77_777, "broken", "1 values instead of 2")]


def test_mixed_encodings_refuse_the_rows_that_are_not_text(tmp_path: Path) -> None:
    """Latin-1 lines in a UTF-8 file: their neighbours are good rows."""
    (tmp_path / "a.csv").write_bytes("id,name\n1,café\n".encode() + "2,café\n".encode("latin-1") + b"3,ok\n")
    source = file(tmp_path / "a.csv")
    assert rows(source) == [("1", "café"), ("3", "ok")]
    assert malformed(source) == [(3, "2,caf\\xe9", "not valid UTF-8")]
    lines = [f'{n},"x, {n}"\n'.encode() for n in range(100_000)]
    lines[70_000], lines[80_000] = b'7,"caf\xe9\n","more"\n', b"8,caf\xe9,9\n"
    (tmp_path / "a.csv").write_bytes(b"id,name\n" + b"".join(lines))
    source = file(tmp_path / "a.csv")
    assert len(rows(source)) == 99_998
    assert [(line, reason) for line, _, reason in malformed(source)] == [
        (70_002, "not valid UTF-8"),
        (80_002, "not valid UTF-8"),
    ]
    (tmp_path / "a.csv").write_bytes("id,name\n2,café\n".encode("latin-1"))
    assert rows(file(tmp_path / "a.csv", encoding="latin-1")) == [("2", "café")]
    (tmp_path / "a.csv").write_bytes("id,name\n2,café\n".encode("utf-16"))
    assert rows(file(tmp_path / "a.csv", encoding="utf-16")) == [("2", "café")]
    with pytest.raises(SourceInvalidError, match=r"source\.encoding"):
        rows(file(tmp_path / "a.csv", encoding="utf-99"))


def test_json_lines_that_are_no_objects_are_kept_with_their_reason(tmp_path: Path) -> None:
    """Broken JSON, other JSON, NaN and bytes that are no text; the rest is read, every value as it was."""
    good = ['{"id": 1, "n": 1}', '{"id": 9007199254740993, "n": 1.5}', '{"id": null, "more": {"a": [1]}}', "{}"]
    bad = ['{"id": 2', "[1, 2]", "17", '{"id": NaN}', '{"id": 1} {"id": 2}']
    content = "\n".join([good[0], *bad, *good[1:]]).encode() + b'\n{"id": "\xff"}\n'
    (tmp_path / "a.jsonl").write_bytes(content)
    source = file(tmp_path / "a.jsonl")
    assert rows(source) == [
        (1, "1", None),
        (9007199254740993, "1.5", None),
        (None, None, '{"a": [1]}'),
        (None, None, None),
    ]
    assert [(line, text) for line, text, _ in malformed(source)] == [
        *zip(range(2, 7), bad, strict=True),
        (10, '{"id": "\\xff"}'),
    ]
    assert "a JSON list and not an object" in {reason for *_, reason in malformed(source)}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.csv.gz", gzip.compress(CSV.encode())[:-100], "Truncated"),
        ("cut.csv.bz2", bz2.compress(CSV.encode())[:-100], "Truncated"),
        ("cut.jsonl.zst", zstd(b'{"id": 1}\n' * 9000)[:-5], "Truncated"),
        ("no.csv.gz", CSV.encode(), "zlib"),
        ("semicolons.csv", b"id;name\n1;x\n", r"one column, 'id;name'.*Is the separator ';'"),
        ("twice.csv", b"id,id\n1,2\n", "names 'id' more than once"),
        ("endless.csv", b"id,name\n1," + b"x" * 3_000_000, "a row does not end within 1 MiB"),
        ("utf16.csv", CSV.encode("utf-16"), r"not text in utf-8.*source\.encoding"),
        ("broken.parquet", b"PAR1 and nothing else", "broken.parquet"),
        ("cut.parquet", b"", "cut.parquet"),
        ("what.data", b"x", r"what\.data.*Set source\.format"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Nothing is taken for an end of the file that is none, and no second try is made: it would fail as well."""
    (tmp_path / name).write_bytes(content)
    source = file(tmp_path / name)
    with pytest.raises(SourceInvalidError, match=f"(?s)file .*{name}.*{said}|{said}"):
        rows(source)
    assert source.watermark is None


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize(
    "line",
    ['1,"x', '"1,x', '1,"x"y', '1,"x" ', '1,"x,"y"', '1,x,"'],
    ids=["unclosed", "unclosed-first", "text-behind", "space-behind", "text-between", "alone"],
)
@pytest.mark.parametrize("following", [b"2,y\n" * 400_000, b'2,"y"\n' * 200_000, b"2,y\r\n", b""])
def test_a_wrong_quote_spoils_its_own_line_only(tmp_path: Path, line: str, following: bytes, multiline: bool) -> None:
    """A reader of CSV alone would take the lines behind it for one value, and nobody would miss them."""
    (tmp_path / "a.csv").write_bytes(b'id,name\n0,"a,b"\n' + line.encode() + b"\n" + following)
    source = file(tmp_path / "a.csv", multiline=multiline)
    assert len(rows(source)) == 1 + following.count(b"\n")
    ((number, text, reason),) = malformed(source)
    assert (number, text) == (3, line)
    assert "quote" in reason


def test_good_quotes_pass(tmp_path: Path) -> None:
    """Doubled quotes, separators and line breaks inside, empty values, a quote inside an unquoted value."""
    values = ['say ""hi""', "a,b", "line\nbreak", "", '""', "crlf\r\nx", "é" * 10]
    quoted = "".join(f'{n},"{value}"\r\n' for n, value in enumerate(values))
    (tmp_path / "a.csv").write_text("id,name\n" + (quoted + '7,5" pipe\n8,it"s"\n') * 20_000, newline="")
    source = file(tmp_path / "a.csv")
    found = rows(source)
    assert source.malformed == []
    assert len(found) == 9 * 20_000
    expected = [*(value.replace('""', '"') for value in values), '5" pipe', 'it"s"']
    assert [name for _, name in found[:9]] == [name for _, name in found[-9:]] == expected


def test_line_breaks_in_values_can_be_forbidden(tmp_path: Path) -> None:
    """Then a quote that happens to be closed on a later line is found as well."""
    (tmp_path / "a.csv").write_text('id,name\n1,"x\n2,"\n3,z\n')
    assert rows(file(tmp_path / "a.csv")) == [("1", "x\n2,"), ("3", "z")]
    strict = file(tmp_path / "a.csv", multiline=False)
    assert rows(strict) == [("3", "z")]
    assert [text for _, text, _ in malformed(strict)] == ['1,"x', '2,"']


def test_a_decompression_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may grow by the factor that the configuration allows, not by a thousand."""
    monkeypatch.setattr("sluice.sources.stream._RATIO_COUNTS_FROM", 1 << 20)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2_000_000))
    with pytest.raises(SourceInvalidError, match=r"more than 200 times its size.*source\.max_ratio"):
        rows(file(tmp_path / "bomb.csv.gz"))
    assert len(rows(file(tmp_path / "bomb.csv.gz", max_ratio=5_000))) == 2_000_000


def test_a_file_of_other_content_does_not_fill_memory_with_malformed_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of lines in a row that are no rows: it is the file that is wrong."""
    monkeypatch.setattr("sluice.sources.delimited._MOST_MALFORMED", 1_000)
    monkeypatch.setattr("sluice.sources.json_lines._MOST_MALFORMED", 1_000)
    (tmp_path / "a.csv").write_text("a,b\n" + "nothing\n" * 5_000)
    (tmp_path / "a.jsonl").write_text("nothing\n" * 5_000)
    for name in ("a.csv", "a.jsonl"):
        source = file(tmp_path / name)
        with pytest.raises(SourceInvalidError, match=name):
            rows(source)
        assert len(source.malformed) <= 1_000


@pytest.mark.parametrize("content", ["", "a,b\n", "\n"])
def test_a_file_without_rows_gives_none(tmp_path: Path, content: str) -> None:
    """An empty file and a header alone are no errors."""
    (tmp_path / "a.csv").write_text(content)
    assert rows(file(tmp_path / "a.csv")) == []


def test_no_file_is_not_an_empty_source(tmp_path: Path) -> None:
    """A wrong path is said, with the key to correct."""
    with pytest.raises(SourceUnavailableError, match=r"no file matches.*source\.path"):
        file(tmp_path / "none*.csv").fingerprint()


def test_malformed_lines_are_handed_over_batch_by_batch(tmp_path: Path) -> None:
    """Whoever takes them out after each batch never holds more than those of one."""
    (tmp_path / "a.csv").write_text("a,b\n" + f"1,{'x' * 100}\nbad\n" * 50_000)
    source = file(tmp_path / "a.csv")
    taken: list[Malformed] = []
    most = 0
    for _ in source.read(None):
        most = max(most, len(source.malformed))
        taken += source.malformed
        source.malformed.clear()
    taken += source.malformed
    assert len(taken) == 50_000
    assert most < 30_000


def _object_store(tmp_path: Path) -> tuple[Path, Callable[[str], Source]]:
    folder = tmp_path / "bucket" / "day"
    folder.mkdir(parents=True)
    return folder, lambda pattern: file(f"file://{tmp_path}/bucket/{pattern}")


def test_an_object_store_is_read_like_a_folder(tmp_path: Path) -> None:
    """Through the client that the lake uses (here its local scheme): patterns, compression, Parquet, watermark."""
    folder, source = _object_store(tmp_path)
    (folder / "a.csv.gz").write_bytes(gzip.compress(b"x\n1\n"))
    pl.DataFrame({"x": ["2"]}).write_parquet(folder / "b.parquet")
    (folder.parent / "c.csv").write_text("x\n3\n")
    assert rows(source("day/*")) == [("1",), ("2",)]
    assert rows(source("**/*.csv*")) == [("3",), ("1",)]
    one = source("c.csv")
    assert rows(one) == [("3",)]
    assert rows(source("c.csv"), one.watermark) == []
    before = one.fingerprint()
    (folder.parent / "c.csv").write_text("x\n34\n")
    assert one.fingerprint() != before
    with pytest.raises(SourceUnavailableError, match="no file matches"):
        source("day/*.tsv").fingerprint()


@pytest.mark.timeout(60)
def test_files_come_from_s3_with_the_credentials_of_the_settings(tmp_path: Path) -> None:
    """Over its protocol: listing, patterns, compression; a second reading gives nothing; a wrong key is an error."""
    objects = {"day/1/a.csv.gz": gzip.compress(CSV.encode()), "day/2/b.csv": b"id,name\n1,x\n", "day/c.txt": b"no"}
    config = {"kind": "file", "path": "s3://bucket/day/*/*.csv*"}
    with bucket(objects) as url:
        options = {
            "AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key-id", "AWS_SECRET_ACCESS_KEY": "hidden",
        }  # fmt: skip
        settings = Settings(home=tmp_path, sources={"storage_options": options})
        source = open_source(config, settings=settings)
        assert rows(source) == [*ROWS, ("1", "x")]
        assert rows(open_source(config, settings=settings), source.watermark) == []
        assert source.fingerprint() == open_source(config, settings=settings).fingerprint()
        wrong = Settings(home=tmp_path, sources={"storage_options": {**options, "AWS_ACCESS_KEY_ID": "other"}})
        with pytest.raises(SourceUnavailableError, match="SLUICE_SOURCES__STORAGE_OPTIONS") as error:
            open_source(config, settings=wrong).fingerprint()
        assert "hidden" not in str(error.value)
