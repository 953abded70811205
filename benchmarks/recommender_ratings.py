"""Reads a ratings file of whatever shape: CSV, TSV, ``::``-separated, blanks or Parquet, with or without a header."""

import csv
import gzip
import io
import re
from collections import Counter
from pathlib import Path

import pandas as pd

COLUMNS = ("user", "item", "rating", "timestamp")
_SEPARATORS = ("::", "\t", ",", ";", "|", " ")
_REQUIRED = 3
_SAMPLE = 50
# Letters and digits of a header's name, lower case, to the column it is. The first that is found counts.
_NAMES = {
    "user": ("user", "userid", "uid", "users", "reviewerid", "customerid", "visitorid"),
    "item": ("item", "itemid", "iid", "movieid", "movie", "productid", "asin", "bookid", "isbn", "artistid", "trackid"),
    "rating": ("rating", "ratings", "score", "stars", "rate", "overall", "weight", "playcount"),
    "timestamp": ("timestamp", "time", "ts", "date", "datetime", "unixreviewtime"),
}


class RatingsUnreadableError(Exception):
    """The file is not what a ratings file can be; the text says what was found."""


def read_ratings(path: Path) -> pd.DataFrame:
    """Columns user, item (strings), rating (float), one row a pair: the last one where a pair comes twice.

    Raises:
        RatingsUnreadableError: naming the file and what is wrong.
    """
    if not path.is_file():
        raise RatingsUnreadableError(f"{path} is not a file. Give a ratings file: user, item, rating, maybe timestamp.")
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    table = pd.read_parquet(path) if is_parquet else _read_text(path)
    if table.shape[1] < _REQUIRED:
        raise RatingsUnreadableError(
            f"{path}: found {table.shape[1]} columns ({', '.join(map(str, table.columns))}) where user, item and "
            "rating are needed. Columns may be separated by '::', tabs, commas, semicolons, '|' or blanks."
        )
    return clean(_columns(table))


def clean(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with a user, an item and a numeric rating, with ids as strings, the last row of each pair."""
    kept = table.assign(rating=pd.to_numeric(table["rating"], errors="coerce"))
    kept = kept.dropna(subset=["user", "item", "rating"])
    kept = kept.assign(user=_as_text(kept["user"]), item=_as_text(kept["item"]))
    kept = kept[(kept["user"] != "") & (kept["item"] != "")]
    if "timestamp" in kept:
        kept = kept.sort_values("timestamp", kind="stable")
    # Sorted, so that the same ratings in another order give the same splits.
    kept = kept.drop_duplicates(["user", "item"], keep="last").sort_values(["user", "item"])
    if kept.empty:
        raise RatingsUnreadableError("no row has a user, an item and a number for a rating")
    return kept[["user", "item", "rating"]].reset_index(drop=True)


def _as_text(ids: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(ids) and (ids % 1 == 0).all():
        ids = ids.astype("int64")
    return ids.astype(str).str.strip()


def _read_text(path: Path) -> pd.DataFrame:
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # MovieLens' older files
    lines = [line for line in text.splitlines()[:_SAMPLE] if line.strip()]
    if not lines:
        raise RatingsUnreadableError(f"{path} is empty")
    separator = _separator(lines)
    if separator == "::":
        text, separator = text.replace("::", "\t"), "\t"
    header = 0 if _has_header(_fields(lines[0].replace("::", "\t"), separator), lines[1:], separator) else None
    # Blanks may be several; anything else is one.
    return pd.read_csv(
        io.StringIO(text), sep=r"\s+" if separator == " " else separator, header=header, dtype=str,
        keep_default_na=False, na_values=[""], skip_blank_lines=True, index_col=False, on_bad_lines="skip",
    )  # fmt: skip


def _separator(lines: list[str]) -> str:
    """The one that splits most lines into the same number of columns, three at least."""

    def agreeing(separator: str) -> int:
        widths = Counter(len(_fields(line, separator)) for line in lines)
        width, count = widths.most_common(1)[0]
        return count if width >= _REQUIRED else 0

    return max(_SEPARATORS, key=agreeing)  # of equals, the first


def _fields(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    if separator == "::":
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [])


def _has_header(first: list[str], others: list[str], separator: str) -> bool:
    """Known names, or a first row without a number where the next rows have one."""
    names = {_plain(name) for name in first}
    if any(names & set(known) for known in _NAMES.values()):
        return True
    if not others:
        return False
    second = _fields(others[0].replace("::", "\t"), separator)
    return any(_is_number(b) and not _is_number(a) for a, b in zip(first, second, strict=False))


def _columns(table: pd.DataFrame) -> pd.DataFrame:
    """By name where the names tell, else the first columns in the usual order."""
    by_name: dict[str, str] = {}
    for column, known in _NAMES.items():
        plain = {_plain(str(name)): name for name in reversed(table.columns)}
        match = next((plain[name] for name in known if name in plain), None)
        if match is not None:
            by_name[column] = match
    if {"user", "item", "rating"} <= set(by_name):
        return table[list(by_name.values())].set_axis(list(by_name), axis=1)
    first = table.iloc[:, : len(COLUMNS)]
    return first.set_axis(list(COLUMNS[: first.shape[1]]), axis=1)


def _plain(name: str) -> str:
    """``user_id:token`` (RecBole), ``User-ID`` and ``userId`` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.split(":", maxsplit=1)[0].lower())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
