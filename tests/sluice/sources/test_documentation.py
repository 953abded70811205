"""docs/sources.md."""

import re
from pathlib import Path

import pytest
import yaml

from sluice.settings import Settings
from sluice.sources import open_source
from sluice.sources.kinds import KINDS

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
EXAMPLES = [yaml.safe_load(block)["source"] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["kind"])
def test_every_example_is_a_valid_source(example: dict[str, object], tmp_path: Path) -> None:
    """What a reader copies is accepted."""
    secrets = {"shop_token": "x", "shop_mongodb": "mongodb://127.0.0.1/"}
    open_source(example, use_case="shop", settings=Settings(home=tmp_path, sources={"secrets": secrets}))


def test_every_kind_has_an_example() -> None:
    """And none is documented that there is not."""
    assert {example["kind"] for example in EXAMPLES} == set(KINDS)
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) | {"none", "fixed"} == set(KINDS)
