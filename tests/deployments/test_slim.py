"""What is taken out of an image's packages: tests, what compilers read, symbols; what is left runs, and is told of."""

import re
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest

from deployments.images import sbom, slim

NOTHING = re.compile(r"(?!)")


@pytest.fixture
def yaml(tmp_path: Path) -> PathDistribution:
    """PyYAML as it is installed here, with a library of 2.6 MB of which most are symbols, and with tests of its own."""
    installed = distribution("pyyaml")
    for file in installed.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), tmp_path / file)
    (record,) = tmp_path.glob("*.dist-info/RECORD")
    more = ("yaml/tests/__init__.py", "yaml/tests/data/a.yaml", "yaml/fast.pxd", "yaml/examples/test/a.yaml")
    for name in (*more, "yaml/tests/__pycache__/__init__.cpython-311.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a: 1\n")
    with record.open("a") as file:
        file.writelines(f"{name},,\n" for name in more)
    return PathDistribution(record.parent)


def contents(site: Path) -> set[str]:
    return {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}


def run(site: Path) -> str:
    """What a document is to the library that was compiled."""
    code = "import yaml; print(yaml.__file__, yaml.load('a: [1, b]', yaml.CSafeLoader))"
    environment = {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_what_is_left_runs_as_before(yaml: PathDistribution, tmp_path: Path) -> None:
    before = run(tmp_path)
    assert str(tmp_path) in before
    whole = sum(path.stat().st_size for path in tmp_path.rglob("*.so"))
    assert slim.slim(yaml, NOTHING) > 0
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.so")) < whole
    assert run(tmp_path) == before


def test_only_tests_of_packages_and_what_compilers_read_are_gone(yaml: PathDistribution, tmp_path: Path) -> None:
    """A folder that is called so and is of no package may hold anything."""
    before = contents(tmp_path)
    slim.slim(yaml, NOTHING)
    gone = before - contents(tmp_path)
    assert gone >= {"yaml/tests/__init__.py", "yaml/tests/data/a.yaml", "yaml/fast.pxd"}
    assert {name for name in gone if not name.startswith("yaml/tests/")} == {"yaml/fast.pxd"}
    assert not (tmp_path / "yaml" / "tests" / "data").exists()


def test_a_part_that_an_image_does_not_need_is_gone(yaml: PathDistribution, tmp_path: Path) -> None:
    slim.slim(yaml, re.compile(r"yaml/_yaml\..*"))
    assert not list(tmp_path.glob("yaml/_yaml.*"))


def test_the_record_is_of_what_is_left(yaml: PathDistribution, tmp_path: Path) -> None:
    """Whoever verifies or removes the package finds each file as it is told; a second time nothing is left to do."""
    slim.slim(yaml, NOTHING)
    files = yaml.files or []
    for file in files:
        content = Path(str(file.locate())).read_bytes()
        if file.hash:
            assert file.hash.value == urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode(), file
            assert file.size == len(content)
    assert any(file.name == slim.NOTE for file in files)
    left = contents(tmp_path)
    assert {name for name in left if name.endswith(".pyc")} | {str(file) for file in files} >= left
    assert slim.slim(yaml, NOTHING) == 0
    assert contents(tmp_path) == left


def test_the_bill_of_materials_tells_of_it(yaml: PathDistribution) -> None:
    """Under the name that it looks for."""
    slim.slim(yaml, NOTHING)
    told = yaml.read_text(sbom.NOTE)
    assert told
    assert re.fullmatch(r"3 files .* removed, symbols cut off 1 libraries: \d+\.\d MB less\.\n", told)


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x01\x01" + bytes(60), b"INPUT(libother.so)\n"])
def test_what_is_no_library_of_64_bits_is_left_alone(content: bytes, tmp_path: Path) -> None:
    """Linkers' scripts end in .so too."""
    path = tmp_path / "one.so"
    path.write_bytes(content)
    assert slim.cut_symbols(path) == 0
    assert path.read_bytes() == content
