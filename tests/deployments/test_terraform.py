"""The Terraform of a cluster on EKS, as far as it can be looked at without an account: form, policies, and names."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.helm.chart import Release, component, merged, render

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "deployments" / "terraform" / "eks"
TEXT = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.tf")}
# What terraform output -raw values would give, of an account that is made up.
ACCOUNT = {
    "storage": {
        "lakeUri": "s3://sluice-staging-111122223333/lake",
        "artifactsUri": "s3://sluice-staging-111122223333/artifacts",
        "volume": {"accessModes": ["ReadWriteMany"], "storageClass": "efs"},
    },
    "networkPolicy": {"ingressController": {"cidrs": ["10.20.0.0/16"]}},
    "externalSecrets": {"entries": {"platform": "p", "postgresql": "q", "mongodb": "r"}},
    "settings": {"AWS_REGION": "eu-central-1"},
    "serviceAccounts": {"flow-run": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}}},
    "images": {"flows": {"repository": "sluice-flows"}, "serving": {"repository": "sluice-serving"}},
}


def installed(name: str = "staging") -> Release:
    """The chart as docs/eks.md installs it."""
    eks = yaml.safe_load((REPOSITORY / "helm" / "eks.yaml").read_text(encoding="utf-8"))
    return render(name, merged(eks, ACCOUNT))


def words(name: str, text: str) -> set[str]:
    """The strings of the list after a name."""
    found = re.search(rf"{name}\s*=\s*toset\(\[([^\]]*)\]", text)
    assert found, name
    return set(re.findall(r'"([^"]+)"', found[1]))


def test_files_are_formatted() -> None:
    """As terraform writes them itself."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed, which alone knows its form")
    done = subprocess.run(["terraform", "fmt", "-check", "-recursive", "-diff", FOLDER], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_variables_are_described_and_used() -> None:
    """Each says what it is for, and changes something; the example gives those without a default."""
    blocks = re.findall(r'variable "(\w+)" \{\n(.*?)\n\}', TEXT["variables"], re.DOTALL)
    others = "".join(text for name, text in TEXT.items() if name != "variables")
    for name, block in blocks:
        assert "description" in block, name
        assert re.search(rf"\bvar\.{name}\b", others), name
    needed = {name for name, block in blocks if "default" not in block}
    example = set(re.findall(r"^(\w+)\s*=", (FOLDER / "example.tfvars").read_text(encoding="utf-8"), re.MULTILINE))
    assert needed <= example <= {name for name, _ in blocks}


def test_what_is_referred_to_is_there() -> None:
    """Without the providers terraform cannot say it: each resource that is named is defined."""
    text = "".join(TEXT.values())
    defined = {".".join(found) for found in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE)}
    defined |= {f"data.{kind}.{name}" for kind, name in re.findall(r'^data "(\w+)" "(\w+)"', text, re.MULTILINE)}
    named = set(re.findall(r"\b(?:data\.)?aws_\w+\.\w+", text))
    assert named <= defined
    assert set(re.findall(r"\blocal\.(\w+)", text)) <= set(re.findall(r"^  (\w+)\s+= ", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_the_chart_takes_the_values(name: str) -> None:
    """The environment's values, those of EKS and the account's together are a valid release."""
    for one in installed(name).objects:
        if one["apiVersion"].split("/")[0] not in {"monitoring.coreos.com", "external-secrets.io"}:
            kubernetes_validate.validate(one, "1.34", strict=True)


def test_output_has_the_keys_that_are_tried_here() -> None:
    """ACCOUNT above is of the form that outputs.tf gives."""
    output = TEXT["outputs"].partition("yamlencode({")[2]
    assert set(re.findall(r"^    (\w+)\s*=", output, re.MULTILINE)) == ACCOUNT.keys()


def test_pods_find_their_nodes() -> None:
    """A label that a pod asks for is that of a group, and it bears the taint of that group."""
    groups = set(re.findall(r"^    (\w+) = \{", TEXT["nodes"], re.MULTILINE))
    assert groups == {"general", "spot", "gpu"}
    assert 'labels          = { "sluice.example.com/pool" = each.key }' in TEXT["nodes"]
    eks: dict[str, Any] = yaml.safe_load((REPOSITORY / "helm" / "eks.yaml").read_text(encoding="utf-8"))
    places = [eks["flows"], eks["flows"]["gpu"], *eks["flows"]["stages"].values(), eks["dask"]["worker"]]
    for place in places:
        pool = place["nodeSelector"]["sluice.example.com/pool"]
        assert pool in groups
        if pool == "spot":
            assert [one["key"] for one in place["tolerations"]] == ["sluice.example.com/pool"]
    assert '"nvidia.com/gpu" = "present"' in TEXT["nodes"]


def test_roles_are_for_accounts_of_the_chart() -> None:
    """Who reaches the object store by the network policies has a role, and nobody else has."""
    accounts = words("writers", TEXT["roles"]) | words("readers", TEXT["roles"])
    release = installed()
    reach = {
        component(policy)
        for policy in release.of("NetworkPolicy")
        for rule in policy["spec"].get("egress") or []
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
        and [port["port"] for port in rule["ports"]] == [443]
        and not peer["ipBlock"].get("except")
    }
    assert accounts == reach
    assert {f"sluice-{name}" for name in accounts} <= {one["metadata"]["name"] for one in release.of("ServiceAccount")}


def test_nothing_is_open_to_the_world() -> None:
    """No address of everybody is let in, and the API is closed unless somebody opens it."""
    assert not re.search(r'cidr_blocks\s*=\s*\["0\.0\.0\.0/0"\]', "".join(TEXT.values()))
    assert re.search(r'variable "api_cidrs" \{.*?default\s*=\s*\[\]', TEXT["variables"], re.DOTALL)
