"""The items that can be recommended."""

from pathlib import Path

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


@pytest.mark.parametrize("ids", [[7, 8], ["a", "b"]])
def test_a_catalogue_that_polars_wrote_is_read(ids: list[object], tmp_path: Path) -> None:
    """Versions of models that were registered before catalogues were Arrow's tables go on, and as they were."""
    rows = {"item_id": ids, "title": ["x", "y"], "genres": ["", "Drama"], "support": [2, 1]}
    pl.DataFrame(rows).write_parquet(tmp_path / "old.parquet")
    made = Catalogue.of(pl.DataFrame(rows))
    made.save(tmp_path / "new.parquet")
    for name in ("old", "new"):
        found = Catalogue.load(tmp_path / f"{name}.parquet")
        assert found.labels == (ids, ["x", "y"], ["", "Drama"])
        assert found.item_ids.tolist() == ids
        assert found.support.tolist() == [2, 1]
        assert found.supported(2) == 1
        assert len(found) == 2
        assert found.find(["b", 8]).tolist() == [1]
