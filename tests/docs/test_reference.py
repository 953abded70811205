"""The reference is what the code says, and all of it."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from deployments import reference
from sluice.settings import Settings
from sluice.use_case import STEPS, UseCaseConfig
from sluice.use_cases.movies import steps as movies
from tests.docs.pages import ROOT

USE_CASES = (ROOT / "docs" / "use-cases.md").read_text(encoding="utf-8")


def test_reference_is_current() -> None:
    """The committed pages are those that the code gives now: python -m deployments.reference."""
    assert reference.stale(ROOT) == ""


def test_stale_reference_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails on a page that differs, and says which line and what to run."""
    (tmp_path / "docs").mkdir()
    reference.write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert reference.main(["--check"]) == 0
    page = tmp_path / "docs" / "settings.md"
    page.write_text(page.read_text().replace("`4GiB`", "`5GiB`"))
    assert "-| `SLUICE_DASK__MEMORY_LIMIT` | text | `5GiB`" in reference.stale(tmp_path)
    assert reference.main(["--check"]) == 1


def settings_of(group: type[BaseModel], prefix: str = "SLUICE_") -> Iterator[tuple[str, str | None]]:
    for name, field in group.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield from settings_of(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield prefix + name.upper(), field.description


def test_every_setting_is_described() -> None:
    """A setting without a description would be a row that says nothing."""
    page = reference.settings_page()
    for variable, description in settings_of(Settings):
        assert description, variable
        assert f"| `{variable}` |" in page


def test_every_command_and_option_is_described() -> None:
    """All of the command line is on its page."""
    from typer.main import get_command

    from deployments.cli import app

    page = reference.cli_page()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        section = re.split(r"^## ", page.partition(f"\n## sluice {name}")[2], flags=re.MULTILINE)[0]
        assert section, name
        for parameter in command.params:
            flags = [*parameter.opts, *parameter.secondary_opts]
            for flag in (
                flags if parameter.param_type_name == "option" else [parameter.metavar or parameter.name.upper()]
            ):
                assert f"`{flag}" in section, f"{name} {flag}"


@pytest.mark.parametrize("step", [*STEPS, "search", "baseline", "example"])
def test_steps_have_the_arguments_that_are_described(step: str) -> None:
    """The signatures on the page are those that the shipped use case has."""
    arguments = ", ".join(inspect.signature(getattr(movies, step)).parameters)
    assert f"| `{step}({arguments}) ->" in USE_CASES


def test_every_key_of_a_use_case_is_on_its_page() -> None:
    """All that use_case.yaml may say is on the page, nested keys and the keys of a source too."""
    page = reference.use_case_page()
    for key in ("`name`", "`promote_if.<name>.beat_champion_by`", "`schedules.<flow>.cron`", "`resources.memory`"):
        assert f"| {key} |" in page
    sections = {section.splitlines()[0]: section for section in page.split("### kind: ")[1:]}
    assert "| `path` | text | required |" in sections["file"]
    for key in UseCaseConfig.model_fields:
        assert re.search(rf"^\| `{key}[`.]", page, re.MULTILINE), key
