"""How the service is asked for recommendations by items that somebody likes, and for items by their title."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from serving.exchange import read_as, read_json
from serving.recommendations import COUNT, MOST_EXCLUDED, MOST_ITEMS, WHOLE, Item
from serving.schemas import Item as RecommendedItem
from serving.schemas import Schema
from serving.served import ServedModel
from sluice.errors import InputInvalidError
from sluice.recommenders.model import RecommenderModel

ITEMS = "items"
MOST_LIKED = 1000
MOST_FOUND = 100
_LONGEST = 256
ItemId = StrictInt | Annotated[StrictStr, Field(max_length=_LONGEST)]


class LikedItems(BaseModel):
    """Ids of items that somebody likes. Those, and what ``exclude`` names, do not come back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: list[ItemId] = Field(max_length=MOST_LIKED)
    k: StrictInt = Field(10, ge=1, le=MOST_ITEMS, description="how many items")
    genre: str | None = Field(None, min_length=1, max_length=_LONGEST, description="only items of this genre")
    exclude: list[ItemId] = Field([], max_length=MOST_EXCLUDED)


class LikedRecommendations(Schema):
    """``known`` is false when the model knows none of the items, ``unknown`` are those; popular ones come then."""

    prediction_id: str
    model: str
    version: str
    known: bool
    unknown: list[int | str]
    items: list[RecommendedItem]


class CatalogueItem(Schema):
    """``support`` is how many users of the training data had it."""

    item_id: int | str
    title: str
    genres: str
    support: int


class CatalogueItems(Schema):
    model: str
    version: str
    items: list[CatalogueItem]


def read(body: bytes) -> LikedItems:
    """Raises:
    InputInvalidError: naming each field that is wrong.
    """
    return read_as(LikedItems, read_json(body), depth=2)


def recommender_of(served: ServedModel) -> RecommenderModel:
    """Raises:
    InputInvalidError: the model has no catalogue of items.
    """
    if served.recommender is None:
        raise InputInvalidError(field="model", problem=f"{served.name!r} has no catalogue of items.")
    return served.recommender


def recommend(model: RecommenderModel, liked: LikedItems) -> tuple[bool, list[int | str], list[Item]]:
    """Whether any of the items is known, those that are not, and the best others.

    Raises:
        InputInvalidError: no item is of that genre, or the model goes by its own users alone.
    """
    found = model.recommend_from(liked.items, liked.k, liked.exclude, liked.genre)
    items = [
        {"item_id": item, "title": title, "score": score}
        for item, title, score in zip(found.item_ids, found.titles, found.scores, strict=True)
    ]
    return found.known, [item for item in liked.items if not len(model.catalogue.find([item]))], items


def search(model: RecommenderModel, params: Mapping[str, str]) -> list[dict[str, Any]]:
    """Items with all words of ``query`` in their title, most popular first; without one the most popular.

    Raises:
        InputInvalidError: naming the parameter that is wrong.
    """
    query, k = params.get("query", ""), params.get(COUNT, "20")
    if len(query) > _LONGEST:
        raise InputInvalidError(field="query", problem=f"must have at most {_LONGEST} characters.")
    if not WHOLE.fullmatch(k) or not 1 <= int(k) <= MOST_FOUND:
        raise InputInvalidError(field=COUNT, problem=f"must be a whole number from 1 to {MOST_FOUND}.")
    catalogue = model.catalogue
    ids, titles, genres = catalogue.labels
    return [
        {
            "item_id": ids[place],
            "title": titles[place],
            "genres": genres[place],
            "support": int(catalogue.support[place]),
        }
        for place in catalogue.search(query, int(k))
    ]
