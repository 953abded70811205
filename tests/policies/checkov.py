"""checkov, in an environment of its own (``make policy-scanner``): 99 packages that nothing of ours needs."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

REPOSITORY = Path(__file__).parents[2]
_PROGRAM = REPOSITORY / ".tools" / "checkov" / "bin" / "checkov"


class Finding(NamedTuple):
    """A rule of checkov that a resource breaks; the resource is ``Kind.name``, or as Terraform names it."""

    check: str
    resource: str
    title: str


class Waiver(NamedTuple):
    check: str
    resources: str
    because: str

    def covers(self, finding: Finding) -> bool:
        return finding.check == self.check and re.fullmatch(self.resources, finding.resource) is not None


class Scan(NamedTuple):
    findings: list[Finding]
    passed: int
    unread: int


def install() -> None:
    """Into the checkout, once for each change of the locked versions."""
    subprocess.run(["make", "--no-print-directory", "policy-scanner"], cwd=REPOSITORY, check=True, timeout=600)


def scan(folder: Path, framework: str) -> Scan:
    """What checkov finds in a folder. It fetches nothing and sends nothing."""
    options = ["--framework", framework, "--skip-download", "--quiet", "--compact", "--output", "json", "--soft-fail"]
    done = subprocess.run(
        [_PROGRAM, "--directory", folder, *options], capture_output=True, text=True, check=True, timeout=600
    )
    answer = json.loads(done.stdout)
    failed = answer["results"]["failed_checks"]
    return Scan(
        sorted(Finding(one["check_id"], _name(one["resource"]), one["check_name"]) for one in failed),
        answer["summary"]["passed"],
        answer["summary"]["parsing_errors"],
    )


def waivers(of: str) -> list[Waiver]:
    content = yaml.safe_load((Path(__file__).parent / "waivers.yaml").read_text(encoding="utf-8"))
    return [Waiver(**one) for one in content[of]]


def not_waived(findings: list[Finding], waived: list[Waiver]) -> Iterator[Finding]:
    for finding in findings:
        if not any(waiver.covers(finding) for waiver in waived):
            yield finding


def unused(findings: list[Finding], waived: list[Waiver]) -> list[Waiver]:
    return [waiver for waiver in waived if not any(waiver.covers(finding) for finding in findings)]


def _name(resource: str) -> str:
    """Without the namespace, which checkov puts in the middle: Deployment.mlops.sluice-serving."""
    kind, _, rest = resource.partition(".")
    return f"{kind}.{rest.partition('.')[2]}" if kind[:1].isupper() and "." in rest else resource
