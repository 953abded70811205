"""A collection of MongoDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import polars as pl
from pydantic import Field, model_validator
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from sluice.documents import Document, Sort
from sluice.errors import SettingsInvalidError, SourceInvalidError, SourceUnavailableError
from sluice.sources.access import Access, variable
from sluice.sources.newest_documents import NewestDocuments, Where
from sluice.sources.options import Options
from sluice.sources.records import to_frame
from sluice.sources.source import BaseSource
from sluice.sources.watermark import decode, encode, identity

_TIMEOUT_MS = 5_000


class MongoOptions(Options):
    collection: str = Field(min_length=1)
    watermark: str = Field(min_length=1, description="a field that grows, such as updated_at; index it with id")
    id: str = Field("_id", min_length=1, description="tells documents with equal watermarks apart")
    database: str | None = Field(None, description="as SLUICE_DOCUMENTS__DATABASE if it is not given")
    secret: str | None = Field(None, description="names the secret that holds mongodb://…; else SLUICE_DOCUMENTS__URI")
    filter: dict[str, Any] = Field(default_factory=dict, description="as MongoDB's find takes it")
    overlap: float = Field(0, ge=0, description="seconds before the watermark that are read again, for late writers")
    batch: int = Field(5_000, ge=1, description="documents in memory at a time")

    @model_validator(mode="after")
    def _filter_is_beside(self) -> Self:
        if {self.watermark, self.id} & self.filter.keys():
            raise ValueError("filter may not be about the watermark or the id")
        return self


class MongoSource(BaseSource):
    """The documents after the watermark, a column a field, nested values as JSON text."""

    def __init__(self, options: MongoOptions, access: Access) -> None:
        super().__init__()
        self._options = options
        self._uri = access.secret(options.secret) if options.secret else access.settings.documents_uri
        self._variable = variable(options.secret) if options.secret else "SLUICE_DOCUMENTS__URI"
        if not self._uri.startswith("mongodb"):
            problem = "a source of the kind mongodb needs mongodb://…"
            raise SettingsInvalidError(variable=self._variable, problem=problem)
        self._database = options.database or access.settings.documents.database
        self._name = f"mongodb {self._database}.{options.collection}"
        asked = options.model_dump(mode="json", include={"collection", "watermark", "id", "filter"})
        self._identity = identity("mongodb", database=self._database, **asked)

    def fingerprint(self, since: str | None = None) -> str:
        with self._opened() as documents:
            return f"mongodb-{documents.fingerprint()}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        reached: dict[str, Any] = {}
        with self._opened() as documents:
            for batch in documents.read(decode(self._identity, since), reached):
                yield to_frame(batch)
        self.watermark = encode(self._identity, reached) if reached else None

    @contextmanager
    def _opened(self) -> Iterator[NewestDocuments]:
        options = self._options
        try:
            with self._client() as client:
                collection = _Collection(client, self._database, options)
                yield NewestDocuments(
                    collection, self._name, options.watermark, options.id, options.overlap, options.batch
                )
        except OperationFailure as error:
            said = (error.details or {}).get("codeName") or error.code
            hint = "Correct source.filter, or the user's rights."
            raise SourceInvalidError(source=self._name, problem=f"the server refuses: {said}", hint=hint) from None
        except PyMongoError as error:
            hint = "Is it up, and may this machine reach it?"
            raise SourceUnavailableError(source=self._name, problem=type(error).__name__, hint=hint) from None

    def _client(self) -> "MongoClient[Document]":
        try:
            return MongoClient(self._uri, serverSelectionTimeoutMS=_TIMEOUT_MS, tz_aware=True, connect=False)
        except (PyMongoError, ValueError):  # whose texts may quote the password
            problem = f"the address for {self._name} is none that MongoDB's driver understands"
            raise SettingsInvalidError(variable=self._variable, problem=problem) from None


class _Collection:
    def __init__(self, client: MongoClient[Document], database: str, options: MongoOptions) -> None:
        self._collection = client[database][options.collection]
        self._filter = options.filter

    def find(self, where: Where, sort: Sort, limit: int) -> list[Document]:
        return list(self._collection.find({**self._filter, **where}).sort(list(sort)).limit(limit))

    def count(self, where: Where) -> int:
        return self._collection.count_documents({**self._filter, **where})
