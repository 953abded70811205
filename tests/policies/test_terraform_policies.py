"""The Terraform keeps checkov's rules for AWS, but for the waivers that stand in a file."""

import shutil
from pathlib import Path

import pytest

from tests.policies.checkov import REPOSITORY, Scan, install, not_waived, scan, unused, waivers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FOLDER = REPOSITORY / "deployments" / "terraform"


@pytest.fixture(scope="module")
def found() -> Scan:
    install()
    return scan(FOLDER, "terraform")


def test_nothing_is_found_that_is_not_waived(found: Scan) -> None:
    """Each rule is kept, or has a reason in waivers.yaml."""
    assert found.unread == 0
    assert found.passed > 100
    assert list(not_waived(found.findings, waivers("terraform"))) == []


def test_every_waiver_is_needed(found: Scan) -> None:
    """One that is left over would hide what comes back."""
    assert unused(found.findings, waivers("terraform")) == []


def test_a_database_that_anybody_reads_is_found(tmp_path: Path) -> None:
    """The scanner does look: without encryption ours breaks a rule that nobody has waived."""
    install()
    folder = tmp_path / "weaker"
    shutil.copytree(FOLDER, folder)
    file = folder / "eks" / "database.tf"
    text = file.read_text(encoding="utf-8")
    assert "storage_encrypted     = true" in text
    file.write_text(text.replace("storage_encrypted     = true", "storage_encrypted     = false"), encoding="utf-8")
    left = {finding[:2] for finding in not_waived(scan(folder, "terraform").findings, waivers("terraform"))}
    assert ("CKV_AWS_16", "aws_db_instance.this") in left
