"""Finding use cases, and what is said about a wrong one."""

from pathlib import Path

import pytest

from sluice.errors import UseCaseInvalidError, UseCaseNotFoundError
from sluice.use_case import UseCase, _read_config, discover, load_use_case

GOOD = """\
name: demo
title: A demo
owner: me
source: {kind: none}
promote_if:
  accuracy: {min: 0.5}
"""


def test_shipped_use_cases_are_found_by_their_entry_point() -> None:
    """Movies is registered as a stranger's package would be."""
    assert discover()["movies"] == "sluice.use_cases.movies"
    assert load_use_case("movies").config.title


def test_unknown_use_case_names_those_there_are() -> None:
    """The error lists what is installed."""
    with pytest.raises(UseCaseNotFoundError, match="movies"):
        load_use_case("moovies")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("title", "titel"), ["titel", "Did you mean 'title'?", "promote_if, quarantine"]),
        (GOOD.replace("min:", "mim:"), ["promote_if.accuracy.mim", "Did you mean 'min'?", "beat_champion_by"]),
        (GOOD + "resources: {cpus: 2}\n", ["resources.cpus", "Did you mean 'cpu'?", "memory"]),
        (
            GOOD + "limits: {train: {soft_secnds: 5}}\n",
            ["limits.train.soft_secnds", "Did you mean 'soft_seconds'?", "rate"],
        ),
        (GOOD + "limits: {train: {rate: 2}}\n", ["limits.train.rate"]),
        (GOOD + "limits: {train: {rate: 2/d}}\n", ["limits.train.rate", "no rate, such as 2/m"]),
        (GOOD + "limits: {trian: {retries: 1}}\n", ["limits.trian", "'train'"]),
        (GOOD + "limits: {train: {soft_seconds: 9, hard_seconds: 5}}\n", ["limits.train", "soft_seconds (9)"]),
        (GOOD + "schedules: {ingest: {corn: '* * * * *'}}\n", ["schedules.ingest.corn", "Did you mean 'cron'?"]),
        (GOOD.replace("owner: me\n", ""), ["owner", "required"]),
        (GOOD.replace("name: demo", "name: Demo-1"), ["name", "pattern"]),
        ("name: [unclosed", ["not valid YAML"]),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, expected: list[str]) -> None:
    """File, key, and what is allowed there."""
    path = tmp_path / "use_case.yaml"
    path.write_text(text)
    with pytest.raises(UseCaseInvalidError) as error:
        _read_config(path)
    for part in [str(path), *expected]:
        assert part in str(error.value)


def test_a_wrong_parameter_is_explained() -> None:
    """A run's overrides are checked like the file's."""
    with pytest.raises(UseCaseInvalidError, match=r"params\.holdout_shore: .*Did you mean 'holdout_share'"):
        load_use_case("movies").params({"holdout_shore": 0.2})


def test_code_hash_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edited step makes other work; an untouched package does not."""
    package = tmp_path / "hashed"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "use_case.yaml").write_text(GOOD)
    names = ["ingest", "build_features", "split", "train", "evaluate", "Params", "Schema"]
    steps = "KEY = ('id',)\n" + "".join(f"def {name}(): ...\n" for name in names)
    (package / "steps.py").write_text(steps)
    monkeypatch.syspath_prepend(tmp_path)
    before = UseCase("hashed").code_hash
    assert UseCase("hashed").code_hash == before
    (package / "steps.py").write_text(steps + "# changed\n")
    assert UseCase("hashed").code_hash != before
