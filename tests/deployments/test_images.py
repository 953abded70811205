"""The images' files: what they are made from, as whom they run, and what is told of them. No engine is needed."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from deployments.images import sbom, sizes
from tests.deployments.containerfile import FILES, FOLDER, arguments, instructions

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
VERSION = PROJECT["project"]["version"]
SERVING, FLOWS = FOLDER / "serving.Containerfile", FOLDER / "flows.Containerfile"
DEEP = FOLDER / "deep-learning.Containerfile"
every = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
both = pytest.mark.parametrize("path", [SERVING, FLOWS], ids=lambda path: path.name)


def closure(extras: list[str], without: frozenset[str] | set[str] = frozenset()) -> set[str]:
    """Every package of the lock that these extras bring, on any system; of some neither they nor what they bring."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in LOCK["package"]:
        packages.setdefault(package["name"], []).append(package)
    (ours,) = packages["sluice"]
    wanted = [*ours["dependencies"], *(one for extra in extras for one in ours["optional-dependencies"][extra])]
    found: set[str] = set()
    while wanted:
        one = wanted.pop()
        if one["name"] in without:
            continue
        found.add(one["name"])
        for package in packages[one["name"]]:
            optional = [each for extra in one.get("extra", ()) for each in package["optional-dependencies"][extra]]
            wanted += [each for each in (*package.get("dependencies", ()), *optional) if each["name"] not in found]
    return found


def test_there_are_three() -> None:
    assert {path.name for path in FILES} == {SERVING.name, FLOWS.name, DEEP.name}


@every
def test_each_base_is_an_argument_with_a_pinned_tag(path: Path) -> None:
    """An image is never made from what a tag happens to name that day, and the release can put a digest there."""
    stages = set()
    for one in instructions(path):
        if one.word != "FROM":
            continue
        image, _, stage = one.text.partition(" AS ")
        named = re.fullmatch(r"\$\{(\w+)\}", image)
        assert named or image in stages, image
        if named:
            assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*", arguments(path)[named[1]]), named[1]
        stages.add(stage)


@every
def test_it_does_not_run_as_root(path: Path) -> None:
    """The last user is a number, the one that the Kubernetes work pool runs jobs as."""
    *_, user = (one.text for one in instructions(path) if one.word == "USER")
    assert user == "10001:10001"
    pool = json.loads((ROOT / "deployments" / "kubernetes" / "work_pool.json").read_text(encoding="utf-8"))
    pod = pool["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert user == "{runAsUser}:{runAsGroup}".format(**pod["securityContext"])


@every
def test_everything_comes_from_the_lock(path: Path) -> None:
    """uv installs nothing else than what is locked, no tools of developers, and compiles it."""
    text = " ".join(one.text for one in instructions(path))
    installs = re.findall(r"uv sync .*?(?=&&|$)", text)
    assert installs
    assert all("--frozen" in one and "--no-dev" in one for one in installs)
    assert "UV_COMPILE_BYTECODE=1" in text
    assert "apt-get" not in text


def test_what_was_fetched_does_not_stay_in_the_image_on_top() -> None:
    """Its home is the image's, /tmp: uv would cache there, 400 MB in a layer, and not in the folder that is mounted."""
    (install,) = (one.text for one in instructions(DEEP) if "uv sync" in one.text)
    mounted = re.search(r"--mount=type=cache,target=(\S+)", install)
    assert mounted
    assert f"UV_CACHE_DIR={mounted[1]} " in install


@both
def test_what_is_left_out_stays_out_of_the_image_on_top(path: Path) -> None:
    """The list is in the image, and the one with Keras reads it: it installs from the same lock."""
    assert any("${LEFT_OUT} > /opt/sluice/left-out.txt" in one.text for one in instructions(path))
    assert any("--no-install-package /' /opt/sluice/left-out.txt" in one.text for one in instructions(DEEP))


@every
def test_uv_is_the_one_of_the_makefile(path: Path) -> None:
    found = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert arguments(path)["UV_VERSION"] == found[1]


@every
def test_its_extras_exist(path: Path) -> None:
    assert set(arguments(path)["EXTRAS"].split()) <= set(PROJECT["project"]["optional-dependencies"])


def test_all_are_of_one_python() -> None:
    """A model that was pickled by one image is loaded by another."""
    (python,) = {arguments(path)["PYTHON_IMAGE"] for path in FILES}
    version = re.search(r"python:(3\.\d+)\.", python)
    assert version
    assert any(one.endswith(f":: {version[1]}") for one in PROJECT["project"]["classifiers"])


def test_serving_brings_neither_prefect_nor_dask() -> None:
    brought = closure(arguments(SERVING)["EXTRAS"].split())
    assert {"fastapi", "uvicorn", "onnxruntime", "mlflow-skinny", "boto3"} <= brought
    assert not {name for name in brought if re.match(r"prefect|dask|distributed|mlflow$|kubernetes", name)}


def test_flows_bring_what_runs_and_trains_and_not_the_serving_extra() -> None:
    extras = arguments(FLOWS)["EXTRAS"].split()
    assert "serving" not in extras
    assert {"prefect", "prefect-dask", "distributed", "mlflow", "implicit", "psycopg2-binary", "typer"} <= closure(
        extras
    )
    assert "fastapi-offline" not in closure(extras)


def test_deep_learning_is_only_in_its_own_image() -> None:
    """Hundreds of megabytes that most use cases never load."""
    assert arguments(DEEP)["EXTRAS"] == "keras"
    assert arguments(DEEP)["IMAGE"] == f"sluice-flows:{VERSION}"
    for path in (SERVING, FLOWS):
        assert not closure(arguments(path)["EXTRAS"].split()) & {"jax", "jaxlib", "keras"}


@both
def test_it_says_what_it_is(path: Path) -> None:
    """The labels of the OCI's image specification."""
    (labels,) = (one.text for one in instructions(path) if one.word == "LABEL")
    named = set(re.findall(r"org\.opencontainers\.image\.([\w.]+)=", labels))
    assert named == {"title", "description", "licenses", "version", "revision", "created", "base.name"}


@both
def test_every_package_of_the_wheel_is_copied_and_nothing_else(path: Path) -> None:
    copied = {
        source
        for one in instructions(path)
        if one.word == "COPY" and not one.text.startswith("--from")
        for source in one.text.split()[:-1]
    }
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert copied == packages | {"pyproject.toml", "uv.lock", "README.md", "LICENSE"}


def test_the_build_sees_what_it_copies_and_no_secret() -> None:
    """The ignore file lets in what is copied; passwords, state and history stay outside."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"

    def seen(name: str) -> bool:
        outcome = True
        for rule in rules:
            pattern = rule.removeprefix("!")
            if fnmatch(name, pattern) or name.startswith(f"{pattern}/"):
                outcome = rule.startswith("!")
        return outcome

    for name in (
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "LICENSE",
        "sluice/settings.py",
        "deployments/images/sbom.py",
    ):
        assert seen(name), name
    for name in (
        ".git/config",
        ".sluice/documents.db",
        "deployments/.env",
        "deployments/secrets/mlflow_password",
        "tests/x",
    ):
        assert not seen(name), name


def part(name: str, version: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": version, "bom-ref": f"{name}-{version}"}


LOCKED = {
    "bomFormat": "CycloneDX",
    "metadata": {"component": part("sluice", "0.1.0")},
    "components": [part("numpy", "2.2"), part("numpy", "2.4"), part("ruamel.yaml", "0.18"), part("pywin32", "311")],
    "dependencies": [
        {"ref": "sluice-0.1.0", "dependsOn": ["numpy-2.2", "numpy-2.4", "pywin32-311"]},
        {"ref": "pywin32-311"},
    ],
}


def test_the_bill_of_materials_has_what_is_installed() -> None:
    """The lock is for every system and Python; the image's bill has its own part, dependencies too."""
    made = sbom.bill(LOCKED, {"numpy": "2.4", "ruamel-yaml": "0.18", "sluice": "0.1.0"}, {})
    assert [one["bom-ref"] for one in made["components"]] == ["numpy-2.4", "ruamel.yaml-0.18"]
    assert made["dependencies"] == [{"ref": "sluice-0.1.0", "dependsOn": ["numpy-2.4"]}]


@pytest.mark.parametrize("installed", [{"numpy": "2.3"}, {"stowaway": "1"}])
def test_what_is_not_in_the_lock_ends_the_build(installed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"not as the lock has it: (numpy 2.3|stowaway 1)"):
        sbom.bill(LOCKED, installed, {})


def test_the_bill_of_materials_tells_what_was_taken_out_of_a_package() -> None:
    """Hashes are of the archive that was installed, so that it has to say where the files are others."""
    made = sbom.bill(LOCKED, {"numpy": "2.4", "ruamel-yaml": "0.18"}, {"ruamel-yaml": "3 files removed.\n"})
    assert [one.get("pedigree") for one in made["components"]] == [None, {"notes": "3 files removed."}]


def test_an_image_above_its_bound_is_told() -> None:
    small, large = sizes.Size(700_000_000, 300_000_000), sizes.Size(700_000_001, 300_000_000)
    text, fits = sizes.report({"serving": (small, 700), "flows": (large, 700)})
    assert not fits
    assert [line.endswith("TOO LARGE") for line in text.splitlines()] == [False, True]
    assert sizes.report({"serving": (small, 700)})[1]
