"""Choosing a source, and what is said about a wrong ``source:``."""

import re
from typing import Any

import pytest

from sluice.errors import DependencyMissingError, SettingsInvalidError, UseCaseInvalidError
from sluice.settings import Settings
from sluice.sources import open_source

HTTP = {"kind": "http", "url": "https://api.example.com/orders"}
SCRAPE = {"kind": "scrape", "url": "https://shop.example.com/", "rows": "li", "fields": {"name": "h2"}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["source.kind", "None", "feedback, file, fixed, http, mongodb, none, packaged, scrape"]),
        ({"kind": "flie"}, ["'flie'", "Allowed: feedback, file"]),
        ({"kind": "file", "pth": "x"}, ["source.pth", "Did you mean 'path'?", "encoding, format"]),
        ({"kind": "file"}, ["source.path", "required"]),
        ({"kind": "file", "path": "x.csv", "separator": ";;"}, ["source.separator", "one ASCII character"]),
        ({"kind": "packaged"}, ["source: give dataset, or datasets"]),
        ({"kind": "packaged", "dataset": "a/b", "datasets": ["c/d"]}, ["not both"]),
        ({"kind": "none", "path": "x"}, ["source.path: there is no such key"]),
        ({**HTTP, "pagging": {}}, ["source.pagging", "Did you mean 'paging'?"]),
        ({**HTTP, "paging": {"by": "cursor", "pth": "next"}}, ["source.paging.pth", "Did you mean 'path'?", "param"]),
        ({**HTTP, "paging": {"by": "magic"}}, ["source.paging", "'link', 'url', 'cursor', 'offset', 'page'"]),
        ({**HTTP, "auth": {"secret": "t", "usr": "x"}}, ["source.auth.usr", "Did you mean 'user'?", "scheme, secret"]),
        ({**HTTP, "auth": {"secret": "t", "scheme": "basic"}}, ["source.auth", "user belongs to scheme: basic"]),
        ({**HTTP, "url": "ftp://x/"}, ["source.url", "http:// or https://"]),
        ({**HTTP, "url": "https://me:pass@x/"}, ["source.url", "name a secret in auth"]),
        ({**HTTP, "headers": {"Authorization": "x"}}, ["source: the header authorization is a secret"]),
        ({**HTTP, "format": "csv", "records": "a"}, ["are for format: json"]),
        ({**SCRAPE, "rows": "li["}, ["source.rows", "no CSS selector"]),
        ({**SCRAPE, "fields": {"name": "h2::wrong"}}, ["source.fields", "no CSS selector"]),
        ({"kind": "mongodb", "collection": "a"}, ["source.watermark", "required"]),
    ],
)
def test_a_wrong_source_names_the_key_and_what_is_allowed(
    config: dict[str, Any], expected: list[str], settings: Settings
) -> None:
    """A mistake in use_case.yaml is found before anything is read."""
    with pytest.raises(UseCaseInvalidError) as error:
        open_source(config, settings=settings)
    for part in expected:
        assert part in str(error.value), str(error.value)
    assert "me:pass" not in str(error.value)


def test_a_missing_secret_names_its_variable(settings: Settings) -> None:
    """Whoever reads the message knows what to set."""
    with pytest.raises(SettingsInvalidError, match="SLUICE_SOURCES__SECRETS__SHOP_TOKEN"):
        open_source({**HTTP, "auth": {"secret": "shop_token"}}, use_case="shop", settings=settings)


@pytest.mark.parametrize("value", ["", "two\nlines", "naïve"])
def test_a_secret_that_no_header_can_carry_is_refused_without_showing_it(value: str, tmp_path: Any) -> None:
    """The libraries below would quote it in their own errors."""
    settings = Settings(home=tmp_path, sources={"secrets": {"t": value}})
    with pytest.raises(SettingsInvalidError) as error:
        open_source({**HTTP, "auth": {"secret": "t"}}, settings=settings)
    assert "SECRETS__T" in str(error.value)
    assert not value or value not in str(error.value)


def test_a_kind_whose_packages_are_missing_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel alone does not carry the scraper's packages."""
    monkeypatch.setattr(
        "sluice.sources.kinds.importlib.import_module",
        lambda name: (_ for _ in ()).throw(ModuleNotFoundError("no", name="parsel")),
    )
    with pytest.raises(DependencyMissingError, match=re.escape("uv sync --extra flows")):
        open_source(SCRAPE)


def test_none_always_runs_and_fixed_never_again(settings: Settings) -> None:
    """Use cases that make their own rows choose between the two."""
    none, fixed = open_source({"kind": "none"}), open_source({"kind": "fixed", "fingerprint": "one"})
    assert none.fingerprint() != none.fingerprint()
    assert fixed.fingerprint() == fixed.fingerprint()
    assert list(none.read(None)) == list(fixed.read(None)) == []
    assert none.watermark is None
