"""Values as a source gave them, as the type that a contract wants; null where one is no such value."""

import polars as pl

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def cast(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The values as ``dtype``. One that is not of it, or would lose something, becomes null.

    Text is read as numbers, as true, false, yes, no, 1 and 0, and as ISO 8601 dates and times; a time that does not say
    its zone is taken for one of the column's zone, or of UTC. A number with a fraction is no whole number.
    """
    if values.dtype == dtype:
        return values
    if values.dtype == pl.String:
        return _from_text(values, dtype)
    if values.dtype.is_float() and dtype.is_integer():
        return values.set(values != values.floor(), None).cast(dtype, strict=False)
    try:
        return values.cast(dtype, strict=False)
    except pl.exceptions.InvalidOperationError:
        return pl.Series(values.name, [None] * len(values), dtype=dtype)


def _from_text(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    text = values.str.strip_chars()
    if dtype == pl.Boolean:
        lower = text.str.to_lowercase()
        known = lower.is_in([*_TRUE, *_FALSE])
        return lower.is_in(_TRUE).set(~known.fill_null(False), None)
    if isinstance(dtype, pl.Datetime):
        return _times(text, dtype)
    if dtype == pl.Date:
        return text.str.to_date("%Y-%m-%d", strict=False)
    if dtype == pl.Time:
        return text.str.to_time("%H:%M:%S%.f", strict=False)
    if dtype.is_numeric():
        return text.cast(dtype, strict=False)
    try:
        return values.cast(dtype, strict=False)
    except pl.exceptions.InvalidOperationError:
        return pl.Series(values.name, [None] * len(values), dtype=dtype)


def _times(text: pl.Series, dtype: pl.Datetime) -> pl.Series:
    iso = (
        text.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
        .str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
        .str.replace(r"T(\d\d:\d\d)($|[Zz+-])", "T${1}:00${2}")
        .str.replace(r"[Zz]$", "+00:00")
    )
    zone = dtype.time_zone or "UTC"
    local = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    zoned = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
    moments = local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").zip_with(
        local.is_not_null(), zoned.dt.convert_time_zone(zone)
    )
    return (moments if dtype.time_zone else moments.dt.replace_time_zone(None)).cast(dtype)
