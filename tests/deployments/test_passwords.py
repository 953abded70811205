"""The passwords of compose.yaml: random, kept, and nobody else's to read."""

import os
import re
import subprocess
import sys
from pathlib import Path

from deployments.compose.passwords import ALERTS, FILES, PASSWORDS, read, write
from sluice.settings import ServingSettings


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_each_is_random_and_kept(tmp_path: Path) -> None:
    """The databases know them from their first start on, so a second time changes nothing."""
    assert write(tmp_path) == list(PASSWORDS)
    first = read(tmp_path / ".env")
    assert set(first) == set(PASSWORDS)
    assert len(set(first.values())) == len(PASSWORDS)
    assert all(re.fullmatch(r"(sluice_bootstrapkey_)?[0-9a-f]{64}", value) for value in first.values())
    ServingSettings(bootstrap_key=first["SERVING_KEY"])
    assert write(tmp_path) == []
    assert read(tmp_path / ".env") == first


def test_files_have_what_the_variables_have(tmp_path: Path) -> None:
    """A container's user reads its file; on the server only the owner comes through the folder."""
    write(tmp_path)
    values = read(tmp_path / ".env")
    assert mode(tmp_path / ".env") == 0o600
    assert mode(tmp_path / "secrets") == 0o700
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == {*(name.lower() for name in FILES), ALERTS}
    for name in FILES:
        file = tmp_path / "secrets" / name.lower()
        assert file.read_text(encoding="utf-8") == values[name]
        assert mode(file) == 0o444


def test_what_somebody_wrote_there_stays(tmp_path: Path) -> None:
    """Other variables, comments, and a password of one's own."""
    (tmp_path / ".env").write_text(
        "# ours\nSERVING_ADDRESS=0.0.0.0\nMLFLOW_PASSWORD=chosen-by-hand\nPREFECT_PASSWORD=\n"
    )
    new = write(tmp_path)
    assert "MLFLOW_PASSWORD" not in new
    assert "PREFECT_PASSWORD" in new
    text = (tmp_path / ".env").read_text(encoding="utf-8")
    assert text.startswith("# ours\nSERVING_ADDRESS=0.0.0.0\n")
    assert text.count("PREFECT_PASSWORD=") == 1
    assert read(tmp_path / ".env")["MLFLOW_PASSWORD"] == "chosen-by-hand"
    assert (tmp_path / "secrets" / "mlflow_password").read_text(encoding="utf-8") == "chosen-by-hand"


def test_a_server_needs_no_environment_of_ours(tmp_path: Path) -> None:
    """The standard library is enough, and no value is printed."""
    root = Path(__file__).parents[2]
    code = (
        f"import pathlib, sys; sys.path.insert(0, {str(root)!r}); from deployments.compose import passwords; "
        "passwords.FOLDER = pathlib.Path(sys.argv[1]); passwords.main()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert not any(value in done.stdout + done.stderr for value in read(tmp_path / ".env").values())
