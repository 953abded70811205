"""The items that can be recommended."""

import polars as pl
import pytest

from sluice.recommenders.catalogue import Catalogue


@pytest.fixture
def catalogue() -> Catalogue:
    titles = {1: "Star Wars", 2: "Stardust", 3: "The Empire Strikes Back", 4: "Wars of the Straße", 5: None}
    return Catalogue.of(
        pl.DataFrame(
            {
                "item_id": list(titles),
                "title": list(titles.values()),
                "genres": [""] * 5,
                "support": [10, 50, 40, 30, 20],
            }
        )
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("star", [2, 1]),
        ("STAR wars", [1]),
        ("wars star", [1]),
        ("strasse", [4]),
        ("item 5", [5]),
        ("", [2, 3, 4, 5]),
        ("  ", [2, 3, 4, 5]),
        ("nothing", []),
    ],
)
def test_items_are_found_by_the_words_of_their_title(catalogue: Catalogue, text: str, found: list[int]) -> None:
    """In any order and case, the most popular first; without words the most popular of all."""
    assert [catalogue.labels[0][place] for place in catalogue.search(text, 4)] == found
