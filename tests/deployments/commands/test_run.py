"""`sluice run`: what is wrong with it is said before anything is started."""

import itertools
import shlex

import pytest
import typer

from deployments.commands import run as command
from deployments.commands.run import check_params, parsed_params
from sluice.errors import UseCaseNotFoundError


def test_values_are_yaml() -> None:
    """Numbers, lists and mappings are written as in use_case.yaml."""
    given = ["k=20", "search={l2: [200, 400]}", "algorithm=als", "note=a=b"]
    assert parsed_params(given) == {"k": 20, "search": {"l2": [200, 400]}, "algorithm": "als", "note": "a=b"}


@pytest.mark.parametrize(("given", "said"), [("k", "NAME=VALUE"), ("=3", "NAME=VALUE"), ("k=[1,", "not YAML")])
def test_malformed_option_is_explained(given: str, said: str) -> None:
    """What cannot be read is named, with how to write it."""
    with pytest.raises(typer.BadParameter, match=said):
        parsed_params([given])


@pytest.mark.parametrize(
    ("name", "value", "said"), [("kk", 3, r"params\.kk.*Allowed here:.*\bk\b"), ("k", 0, r"params\.k\b")]
)
def test_wrong_parameter_is_named(name: str, value: int, said: str) -> None:
    """A typo and a value out of range are found here, not by a run that fails half a minute later."""
    with pytest.raises(typer.BadParameter, match=said):
        check_params("movies", {name: value})


def test_unknown_use_case_names_the_known() -> None:
    """A typo in the use case is answered with those that are installed."""
    with pytest.raises(UseCaseNotFoundError, match="movies"):
        check_params("movie", {})


def test_options_of_score_are_its_own() -> None:
    """Its parameters are not those of training: a typo there is answered with what score takes."""
    check_params("movies", {"table": "raw/movies", "predict_params": {"k": 20}}, "score")
    with pytest.raises(typer.BadParameter, match=r"tabel: there is no such key\. Did you mean 'table'\?"):
        check_params("movies", {"tabel": "raw/movies"}, "score")


def test_examples_can_be_typed() -> None:
    """Every parameter in the help's examples is one that its flow has for movies."""
    examples = [
        line.strip() for line in (command.run.__doc__ or "").splitlines() if line.strip().startswith("sluice run")
    ]
    checked = 0
    for example in examples:
        words = shlex.split(example.partition("|")[0])
        given = [value for flag, value in itertools.pairwise(words) if flag == "-p"]
        flow = words[words.index("--flow") + 1] if "--flow" in words else "pipeline"
        check_params("movies", parsed_params(given), flow)
        checked += len(given)
    assert checked
