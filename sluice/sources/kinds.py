"""The kinds of source, and how ``source:`` of use_case.yaml becomes one."""

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sluice.documents import DocumentStore
from sluice.errors import DependencyMissingError, UseCaseInvalidError
from sluice.explanation import explain
from sluice.settings import Settings
from sluice.sources.access import Access
from sluice.sources.options import Options
from sluice.sources.source import Source

# Module, class and options by name: a scraper's packages are not loaded, or even needed, to read a file.
KINDS = {
    "feedback": ("feedback", "FeedbackSource", "FeedbackOptions"),
    "file": ("file", "FileSource", "FileOptions"),
    "fixed": ("none", "FixedSource", "FixedOptions"),
    "http": ("http", "HttpSource", "HttpOptions"),
    "mongodb": ("mongodb", "MongoSource", "MongoOptions"),
    "none": ("none", "NoSource", "Options"),
    "packaged": ("packaged", "PackagedSource", "PackagedOptions"),
    "scrape": ("scrape", "ScrapeSource", "ScrapeOptions"),
}
_EXTRA = {"tenacity", "parsel", "protego", "w3lib"}


def open_source(
    config: Mapping[str, Any],
    *,
    use_case: str = "",
    settings: Settings | None = None,
    documents: DocumentStore | None = None,
) -> Source:
    """The source that ``source:`` describes: its ``kind``, and what that kind takes. Nothing is read yet.

    Args:
        use_case: its name, for the collection that is named after it and for messages.
        settings: this process's; without them they are loaded.
        documents: the document store, which the kind ``feedback`` reads.

    Raises:
        UseCaseInvalidError: an unknown kind, or keys that it does not take, with the allowed ones.
        SettingsInvalidError: a secret that it names is not set.
        DependencyMissingError: the kind needs a package of an extra.
    """
    options = dict(config)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        problem = f"source.kind: there is no kind {kind!r}. Allowed: {', '.join(sorted(KINDS))}"
        raise UseCaseInvalidError(path="use_case.yaml", problem=problem)
    module, source_name, options_name = KINDS[kind]
    try:
        found = importlib.import_module(f"sluice.sources.{module}")
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        purpose = f"A source of the kind {kind!r}"
        raise DependencyMissingError(package=error.name, purpose=purpose, extra="flows") from None
    options_type: type[Options] = getattr(found, options_name)
    try:
        valid = options_type.model_validate(options)
    except ValidationError as error:
        problem = explain(error, options_type, prefix="source.")
        raise UseCaseInvalidError(path="use_case.yaml", problem=problem) from None
    source: Source = getattr(found, source_name)(valid, Access(use_case, settings or Settings.load(), documents))
    return source
