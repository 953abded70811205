"""`sluice new` and `sluice check`: what is written works as it is, and guesses are told."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest
import typer

from deployments.commands.check import check
from sluice.conformance import assert_conforms
from sluice.scaffold import ScaffoldRefusedError, write_package
from tests.conftest import clean_environment, sluice
from tests.packages_of import make_findable

ROOT = Path(__file__).parents[3]
KINDS = ("classifier", "regressor", "recommender")


@pytest.fixture
def installed() -> Iterator[list[Path]]:
    """Projects that a test puts here are importable until it ends."""
    projects: list[Path] = []
    yield projects
    for project in projects:
        sys.path.remove(str(project))
        for name in [name for name in sys.modules if name.partition(".")[0] == project.name]:
            del sys.modules[name]


def install(project: Path, installed: list[Path]) -> None:
    make_findable(project)
    sys.path.insert(0, str(project))
    invalidate_caches()
    installed.append(project)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_as_it_is(kind: str, tmp_path: Path, installed: list[Path]) -> None:
    """Without a file of one's own too: it conforms, its test is that, and it is shorter than 120 lines."""
    written = write_package(f"new_{kind}", kind, tmp_path)  # type: ignore[arg-type]
    install(written.folder, installed)
    assert_conforms(f"new_{kind}")
    assert f'assert_conforms("new_{kind}")' in (written.folder / "tests" / f"test_new_{kind}.py").read_text()
    code = [path for path in written.paths if path.suffix in {".py", ".yaml"}]
    assert sum(len(path.read_text().splitlines()) for path in code) < 120


def test_what_is_written_is_clean(tmp_path: Path) -> None:
    """Formatted, and without anything to complain of for the linter of this repository."""
    for kind in KINDS:
        write_package(f"new_{kind}", kind, tmp_path)  # type: ignore[arg-type]
    for command in ("check", "format"):
        options = ["--config", str(ROOT / "pyproject.toml"), *(["--check"] if command == "format" else [])]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", command, *options, str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """A file as they come: semicolons, names with spaces, codes, dates, gaps, a column without anything."""
    numbers = random.Random(1)
    lines = ["Customer ID;Total Charges;Signed Up;class;Postal Code;Comment;1st;Balance;Empty"]
    for number in range(300):
        kind = numbers.choice(["gold", "silver"])
        charge = {"gold": 900, "silver": 400}[kind] + numbers.random() * 200
        share = numbers.choice(["0.1", "0.5", ""])
        day, code = numbers.randint(10, 28), numbers.randint(1000, 1020)
        balance = -50 + number
        lines.append(f"C-{number:04d};{charge:.2f};2026-03-{day};{kind};0{code};text {number};{share};{balance};")
    file = tmp_path / "customers.csv"
    file.write_text("\n".join(lines))
    return file


def test_schema_is_inferred(customers: Path, tmp_path: Path, installed: list[Path]) -> None:
    """Types, ranges, gaps and names; what is a guess says so; and the result conforms."""
    written = write_package("clients", "classifier", tmp_path, data=customers)
    steps = (written.folder / "clients" / "steps.py").read_text()
    for line in (
        'KEY = ("customer_id",)  # GUESS: (nearly) every row has a value of its own',
        'TARGET = "class_"  # GUESS: by its name',
        'TIME = "signed_up"  # GUESS: ',
        'NUMBERS = ["total_charges", "c_1st", "balance"]',
        'TEXTS = ["postal_code"]',
        '"Customer ID": "customer_id",',
        "    customer_id: pl.String  # seen",
        "    total_charges: pl.Float64 = pa.Field(ge=0, le=1",
        "    signed_up: pl.Date  # seen",
        "    postal_code: pl.String  # seen 010",
        "    c_1st: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)",
        "    balance: pl.Int64 = pa.Field(ge=-200, le=400)  # seen -50 to 249",
    ):
        assert line in steps, line
    assert "empty" not in steps
    assert 'separator: ";"' in (written.folder / "clients" / "use_case.yaml").read_text()
    install(written.folder, installed)
    assert_conforms("clients")


def test_a_given_target_and_key_are_taken(customers: Path, tmp_path: Path) -> None:
    """By the names that the file has."""
    written = write_package(
        "charges", "regressor", tmp_path, data=customers, target="Total Charges", key=("Customer ID", "Signed Up")
    )
    steps = (written.folder / "charges" / "steps.py").read_text()
    assert 'KEY = ("customer_id", "signed_up")  # GUESS: given' in steps
    assert 'TARGET = "total_charges"  # GUESS: given' in steps


def test_a_few_wrong_values_do_not_decide(tmp_path: Path) -> None:
    """A word in a column of numbers, and a number below zero, are for the quarantine, not for the contract."""
    file = tmp_path / "rows.csv"
    rows = [f"{number},{number % 7},{number % 2}" for number in range(400)]
    file.write_text("\n".join(["id,size,y", *rows, "400,huge,1", "401,-1,0"]))
    written = write_package("sizes", "classifier", tmp_path, data=file)
    steps = (written.folder / "sizes" / "steps.py").read_text()
    assert "size: pl.Int64 = pa.Field(ge=0, le=10)  # GUESS: 1 below 0 are wrong; seen -1 to 6" in steps


def test_a_recommender_finds_its_columns(tmp_path: Path, installed: list[Path]) -> None:
    """Users and items by their names; a pair that comes again at another time is another row."""
    numbers, file = random.Random(2), tmp_path / "orders.csv"
    rows = [f"c{numbers.randrange(40)},sku-{numbers.randrange(20)},{1_760_000_000 + number}" for number in range(600)]
    file.write_text("\n".join(["customer,product,ordered_at", *rows]))
    written = write_package("shopping", "recommender", tmp_path, data=file)
    assert "user_id is the column customer" in written.guesses
    assert "item_id is the column product" in written.guesses
    assert 'KEY = ("user_id", "item_id", "timestamp")' in (written.folder / "shopping" / "steps.py").read_text()
    install(written.folder, installed)
    assert_conforms("shopping")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Churn", {}, "no name for a use case"),
        ("class", {}, "no name for a use case"),
        ("movies", {}, "is installed"),
        ("json", {}, "is installed"),
        ("taken", {}, "exists"),
        ("gone", {"data": Path("nowhere.csv")}, "there is no file nowhere.csv"),
        ("other", {"target": "price"}, "no column 'price'"),
    ],
)
def test_what_cannot_be_written_is_explained(name: str, options: dict[str, object], said: str, tmp_path: Path) -> None:
    """With what to do, and nothing is written."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(ScaffoldRefusedError, match=re.escape(said)):
        write_package(name, "classifier", tmp_path, **options)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_file_without_users_is_no_recommenders(customers: Path, tmp_path: Path) -> None:
    """The message names what is missing, and what a recommender learns from."""
    file = tmp_path / "areas.csv"
    file.write_text("area,price\n1.5,2.5\n3.5,4.5\n")
    with pytest.raises(ScaffoldRefusedError, match="no column for item_id and user_id"):
        write_package("areas", "recommender", tmp_path, data=file)


def test_what_was_written_and_guessed_is_told(tmp_path: Path) -> None:
    """With what comes next."""
    done = sluice(
        "new", "churn", "--kind", "regressor", "--path", "made", cwd=tmp_path, env=clean_environment(tmp_path)
    )
    assert done.returncode == 0, done.stdout
    assert "Guessed: TARGET = price" in done.stdout
    assert f"uv pip install -e {tmp_path / 'made' / 'churn'} && sluice check churn" in done.stdout


def test_a_check_is_a_line_an_exit_code_or_json(
    tmp_path: Path, installed: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A check that fails is one line with what to do, exit code 1, and the same as JSON."""
    project = write_package("measured", "regressor", tmp_path).folder
    steps = project / "measured" / "steps.py"
    steps.write_text(steps.read_text().replace('"r2":', '"r_squared":'))
    install(project, installed)
    with pytest.raises(typer.Exit) as ended:
        check("measured", rows=200)
    assert ended.value.exit_code == 1
    printed = capsys.readouterr().out.splitlines()
    (line,) = (line for line in printed if line.startswith("FAIL"))
    assert "promote_if names r2" in line
    assert "Use the same names" in line
    assert printed[-1].startswith("17 of 18 checks passed")
    with pytest.raises(typer.Exit):
        check("measured", rows=200, as_json=True)
    outcomes = {outcome["check"]: outcome for outcome in json.loads(capsys.readouterr().out)}
    assert [name for name, outcome in outcomes.items() if outcome["status"] != "passed"] == ["evaluate"]
    assert outcomes["evaluate"]["hint"].startswith("Use the same names")
