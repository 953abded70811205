"""The recommender benchmark: any ratings file, one protocol for all, JSON that says what the table says."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import recommender
from benchmarks.recommender_models import Contender, contenders
from benchmarks.recommender_protocol import evaluate, stratified_split, summarise
from benchmarks.recommender_ratings import RatingsUnreadableError, read_ratings
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.popularity import Popularity

EXPECTED = pd.DataFrame({"user": ["1", "1", "2"], "item": ["10", "20", "10"], "rating": [5.0, 3.5, 1.0]})
PLAIN = [("1", "10", "5", "881250949"), ("1", "20", "3.5", "881250950"), ("2", "10", "1", "881250951")]


def _lines(separator: str, header: str = "", columns: int = 4) -> str:
    rows = [separator.join(row[:columns]) for row in PLAIN]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


FORMATS = {
    "u.data": _lines("\t"),
    "no timestamp.csv": _lines(",", columns=3),
    "ratings.dat": _lines("::"),
    "header.dat": _lines("::", "UserID::MovieID::Rating::Timestamp"),
    "header.csv": _lines(",", "userId,movieId,rating,timestamp"),
    "header.tsv": _lines("\t", "user-id\titem-id\trating\ttimestamp"),
    "recbole.inter": _lines("\t", "user_id:token\titem_id:token\trating:float\ttimestamp:float"),
    "unknown names.csv": _lines(",", "who,what,how much,when"),
    "semicolons.csv": _lines(";", '"User-ID";"ISBN";"Book-Rating";"Time"'),
    "blanks.txt": _lines("  "),
    "bom.csv": "\ufeff" + _lines(",", "userId,movieId,rating,timestamp"),
    "windows.csv": _lines(",", "user,item,rating,timestamp").replace("\n", "\r\n"),
    "other order.csv": "rating,timestamp,item,user\n5,1,10,1\n3.5,2,20,1\n1,3,10,2\n",
    "more columns.csv": 'rownames,movieId,title,userId,rating\n1,10,"A, the",1,5\n2,20,B,1,3.5\n3,10,"A, the",2,1\n',
    "no end of line.csv": _lines(",").strip(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_ratings_are_read_whatever_separates_them_and_with_or_without_header(name: str, tmp_path: Path) -> None:
    """The shape is found from the content, never from the name."""
    path = tmp_path / name
    path.write_bytes(FORMATS[name].encode())
    pd.testing.assert_frame_equal(read_ratings(path), EXPECTED)


def test_parquet_and_gzip_are_read(tmp_path: Path) -> None:
    """Parquet with numbers gives the ids that text gives; a packed text file is unpacked."""
    table = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [10.0, 20.0, 10.0], "rating": [5, 3.5, 1]})
    table.to_parquet(tmp_path / "ratings.parquet")
    (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(FORMATS["header.csv"].encode()))
    pd.testing.assert_frame_equal(read_ratings(tmp_path / "ratings.parquet"), EXPECTED)
    pd.testing.assert_frame_equal(read_ratings(tmp_path / "ratings.csv.gz"), EXPECTED)


def test_string_ids_bad_rows_and_repeated_pairs(tmp_path: Path) -> None:
    """Ids may be any text, rows without a number are left out, and of a pair the latest rating counts."""
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating,timestamp\nann,x,2,20\nann,x,5,10\nbob,NA,3,1\nbob,y,,1\n,z,4,1\n")
    found = read_ratings(path)
    assert found.values.tolist() == [["ann", "x", 2.0], ["bob", "NA", 3.0]]


@pytest.mark.parametrize("content", ["", "user,item\n1,2\n", "a,b,c\nx,y,z\n"])
def test_a_file_that_is_no_ratings_file_is_refused_in_words(content: str, tmp_path: Path) -> None:
    """Too few columns, nothing at all, or no number anywhere."""
    path = tmp_path / "r.csv"
    path.write_text(content)
    with pytest.raises(RatingsUnreadableError):
        read_ratings(path)


def test_a_missing_file_ends_with_a_sentence_and_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code says that it failed, and standard output stays empty."""
    assert recommender.main(["--ratings", "/nowhere/ratings.csv"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "/nowhere/ratings.csv" in said.err


def _ratings(users: int = 40, items: int = 30) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", 4.0)
        for user in range(users)
        for item in range(items)
        if generator.random() < (0.6 if (item < items // 2) == (user % 2 == 0) else 0.05)
    ]
    return pd.DataFrame(rows, columns=["user", "item", "rating"])


def test_split_takes_a_quarter_of_each_user() -> None:
    """Stratified by user, nothing lost, nothing in both parts, other for another seed."""
    ratings = _ratings()
    train, test = stratified_split(ratings, 0.25, seed=1)
    assert sorted([*train.index, *test.index]) == ratings.index.tolist()
    share = test.groupby("user").size() / ratings.groupby("user").size()
    lengths = ratings.groupby("user").size()
    assert ((share * lengths - 0.25 * lengths).abs() <= 0.5).all()
    assert not test.index.equals(stratified_split(ratings, 0.25, seed=2)[1].index)
    assert test.index.equals(stratified_split(ratings, 0.25, seed=1)[1].index)


def test_hyper_parameters_are_chosen_without_the_test_part() -> None:
    """What a contender may choose from is inside the training part."""
    ratings = _ratings()
    seen: list[set[tuple[str, str]]] = []

    def pairs(found: Interactions) -> set[tuple[str, str]]:
        rows, columns = found.matrix.nonzero()
        return set(zip(found.users[rows], found.items[columns], strict=True))

    def choose(inner: Interactions, validation, measure, seed) -> None:
        seen.append(pairs(inner) | pairs(Interactions(inner.users, inner.items, validation)))

    def fit(train: Interactions, options: None, seed: int) -> Popularity:
        seen.append(pairs(train))
        return Popularity.of(train.support, len(train.users))

    evaluate(ratings, [Contender("spy", choose, fit)], 1, lambda message: None)
    chosen_from, trained_on = seen
    assert chosen_from == trained_on
    assert len(trained_on) < len(ratings)


def test_summary_has_mean_and_sample_deviation() -> None:
    """One seed has no spread."""
    summary = summarise({"m": [{"ndcg@10": 0.1}, {"ndcg@10": 0.3}], "one": [{"ndcg@10": 0.5}]})
    assert summary["m"]["ndcg@10"] == {"mean": pytest.approx(0.2), "std": pytest.approx(np.std([0.1, 0.3], ddof=1))}
    assert summary["one"]["ndcg@10"]["std"] == 0


@pytest.mark.slow
def test_json_is_the_only_output_and_says_what_the_table_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All four models, each metric with mean and std; progress goes to standard error; ours finds the two tastes."""
    path = tmp_path / "ratings.csv"
    _ratings().to_csv(path, index=False)
    assert recommender.main(["--ratings", str(path), "--json", "--seeds", "2"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert list(found) == ["popularity", "implicit ALS", "implicit BPR", "ours"]
    assert set(found["ours"]) == {f"{n}@10" for n in ("ndcg", "map", "precision", "recall", "coverage", "novelty")}
    assert found["ours"]["ndcg@10"]["mean"] > found["popularity"]["ndcg@10"]["mean"]
    assert "seed 2/2" in said.err
    table = recommender.table(found, 2)
    assert f"{found['ours']['map@10']['mean']:.4f}" in table


def test_peers_get_as_many_fits_as_ours_to_choose_from() -> None:
    """A comparison in which only one side is tuned says nothing."""
    from sluice.recommenders.ease_search import EaseGrid

    train = Interactions.from_ids(["a", "b"], ["x", "y"]).by_popularity()
    tried: dict[str, int] = {}
    for contender in contenders()[1:3]:
        measured: list[float] = []
        contender.choose(train, train.matrix, lambda scorer, into=measured: into.append(0.0) or 0.0, 0)
        tried[contender.name] = len(measured)
    assert min(tried.values()) >= len(EaseGrid().candidates())
