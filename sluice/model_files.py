"""A model version's files on this machine: downloaded once, whole or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

import mlflow


def download_once(uri: str, folder: Path) -> Path:
    """Bring ``uri`` into ``folder``, unless it is there.

    The files appear under their name in one rename, so a process that dies leaves no half model, and two processes
    that load at once do not disturb each other.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as parent:
        downloaded = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=parent))
        try:
            os.rename(downloaded if downloaded != Path(parent) else _only_child(downloaded), folder)
        except OSError:
            if not folder.exists():  # otherwise another process was first
                raise
    return folder


def _only_child(parent: Path) -> Path:
    """MLflow puts the files straight into the folder it is given; a rename needs a folder of their own."""
    inner = parent / "model"
    inner.mkdir()
    for child in parent.iterdir():
        if child != inner:
            shutil.move(child, inner / child.name)
    return inner
