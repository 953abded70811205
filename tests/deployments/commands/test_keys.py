"""`sluice keys`, on a document store in a folder; it needs no stack."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import clean_environment, sluice


def keys(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return sluice("keys", *arguments, cwd=home, env=clean_environment(home) | variables)


def listed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(keys(home, "list", "--json", *arguments).stdout)
    return found


@pytest.mark.slow
def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    """Its text is shown when it is made and rotated, and nothing of it afterwards; a revoked one needs --all."""
    assert "sluice keys create" in keys(tmp_path, "list").stdout
    made = keys(tmp_path, "create", "web-shop", "--scope", "operate", "--expires", "90d")
    assert made.returncode == 0, made.stdout
    text = re.search(r"^sluice_[0-9a-f]{12}_[0-9a-f]{64}$", made.stdout, re.MULTILINE)
    assert text
    assert "SLUICE_SERVING__AUTH=required" in made.stdout
    (key,) = listed(tmp_path)
    assert (key["name"], key["scope"], key["state"], key["used"]) == ("web-shop", "operate", "valid", None)
    assert text[0].split("_")[1] == key["id"]
    rotated = keys(tmp_path, "rotate", "web-shop", "--grace", "2h")
    new = re.search(r"^sluice_.*$", rotated.stdout, re.MULTILINE)
    assert new
    assert new[0] != text[0]
    assert "goes on for 2h" in rotated.stdout
    shown = keys(tmp_path, "list").stdout + keys(tmp_path, "list", "--json").stdout
    assert key["id"] in shown
    assert "hash" not in shown
    assert text[0].rpartition("_")[2] not in shown
    assert "within 3 s" in keys(tmp_path, "revoke", key["id"]).stdout
    assert listed(tmp_path) == []
    assert [one["state"] for one in listed(tmp_path, "--all")] == ["revoked"]


def test_scripts_get_the_text_as_json(tmp_path: Path) -> None:
    """`jq -r .key` is all that a script needs; the hint that no key is needed here is not in its way."""
    done = keys(tmp_path, "create", "bot", "--json")
    made = json.loads(done.stdout)
    assert made["key"].startswith(f"sluice_{made['id']}_")
    assert made["scope"] == "predict"
    assert json.loads(keys(tmp_path, "rotate", "bot", "--json").stdout)["key"] != made["key"]
    assert json.loads(keys(tmp_path, "revoke", "bot", "--json").stdout)["state"] == "revoked"


@pytest.mark.slow
def test_mistakes_are_one_line(tmp_path: Path) -> None:
    """What was wrong and what there is, without a traceback, and exit code 1."""
    for arguments, said in (
        (("create", "bot", "--scope", "root"), "predict, operate, admin"),
        (("create", "bot", "--expires", "soon"), "12h, 90d or 4w"),
        (("create", "no body"), "letters, digits"),
        (("rotate", "bot", "--grace", "x"), "grace: "),
        (("revoke", "bot"), "sluice keys list --all"),
    ):
        done = keys(tmp_path, *arguments)
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 1, done.stdout
        assert said in done.stdout
