"""What the service makes of how a compilation ended; a small program stands in for it."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from serving.compiler import REFUSED, Compiler
from serving.served import ServedModel, now
from sluice.models import ModelVersion


def compiled_by(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the service notes that a model cannot be compiled, after the program has run in the compiler's place."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    nothing = cast("Any", None)
    version = ModelVersion(name="m", version="1", run_id="r", aliases=(), tags={}, created_at=now())
    with ThreadPoolExecutor(1) as pool:
        compiler = Compiler(lambda *_: None, pool)
        asyncio.run(compiler._compile(ServedModel(version, nothing, nothing, now(), folder)))
    return folder / REFUSED


def test_a_model_that_cannot_be_compiled_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is beside it."""
    assert compiled_by("echo nothing converts it; exit 3", tmp_path, monkeypatch).read_text() == "nothing converts it"


@pytest.mark.parametrize("program", ["kill -9 $$", "kill -2 $$", "exit 1"])
def test_one_that_was_killed_is_tried_again(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For want of memory, or with a terminal: that says nothing of the model."""
    assert not compiled_by(program, tmp_path, monkeypatch).exists()


def test_it_is_in_a_session_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Ctrl-C would end it with the service."""
    told = compiled_by("echo $$ $(cut -d' ' -f6 /proc/$$/stat); exit 3", tmp_path, monkeypatch).read_text()
    process, session = told.split()
    assert process == session
