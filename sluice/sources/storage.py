"""Where files are: folders of this machine, or an object store."""

import fnmatch
import glob
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import pyarrow.fs as pa_fs
from deltalake.fs import DeltaStorageHandler

_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class StoredFile:
    """A file that a pattern matched: its name for people, its path in the storage, its size in bytes."""

    name: str
    path: str
    size: int


class Storage(Protocol):
    """Errors of any call are OSError."""

    def list(self, pattern: str) -> list[StoredFile]:
        """The files that match, in the order of their names. ``**`` crosses folders, ``*`` does not."""
        ...

    def open(self, file: StoredFile) -> BinaryIO: ...

    def version(self, file: StoredFile) -> str:
        """Changes with the file's content."""
        ...


def open_storage(pattern: str, options: Mapping[str, str]) -> Storage:
    return ObjectStorage(pattern, options) if "://" in pattern else LocalStorage()


class LocalStorage:
    """Relative patterns start at the working directory."""

    def list(self, pattern: str) -> list[StoredFile]:
        paths = sorted(Path(path) for path in glob.glob(str(Path(pattern).expanduser()), recursive=True))
        return [StoredFile(str(path), str(path), path.stat().st_size) for path in paths if path.is_file()]

    def open(self, file: StoredFile) -> BinaryIO:
        return Path(file.path).open("rb")

    def version(self, file: StoredFile) -> str:
        # By content: a copied or restored file has another time and is still the same data.
        with Path(file.path).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()


class ObjectStorage:
    """``s3://bucket/prefix/*.csv`` and what else the lake can be in, with the same names of options."""

    def __init__(self, pattern: str, options: Mapping[str, str]) -> None:
        scheme, _, path = pattern.partition("://")
        folders, fixed = path.split("/")[:-1], []
        for part in folders:
            if _PATTERN.search(part):
                break
            fixed.append(part)
        self._root = f"{scheme}://{'/'.join(fixed)}"
        self._options = dict(options)

    def _filesystem(self) -> pa_fs.FileSystem:
        return pa_fs.PyFileSystem(DeltaStorageHandler(self._root, self._options))

    def list(self, pattern: str) -> list[StoredFile]:
        below = pattern.removeprefix(self._root).lstrip("/")
        if not _PATTERN.search(below):
            infos = self._filesystem().get_file_info([below])
        else:
            wanted = re.compile(_translate(below))
            infos = self._filesystem().get_file_info(pa_fs.FileSelector("", recursive=True))
            infos = [info for info in infos if wanted.fullmatch(info.path)]
        found = [info for info in infos if info.type == pa_fs.FileType.File]
        return [
            StoredFile(f"{self._root}/{info.path}", info.path, info.size)
            for info in sorted(found, key=lambda i: i.path)
        ]

    def open(self, file: StoredFile) -> BinaryIO:
        return cast("BinaryIO", self._filesystem().open_input_file(file.path))

    def version(self, file: StoredFile) -> str:
        # Not by content, which would have to be downloaded: an object is never changed in place, only replaced.
        (info,) = self._filesystem().get_file_info([file.path])
        return f"{info.size}-{info.mtime_ns}"


def _translate(pattern: str) -> str:
    """A regular expression for a pattern in which ``*`` stays in its folder and ``**`` is any number of folders."""
    parts = pattern.split("/")
    regex = ""
    for part in parts[:-1]:
        regex += "(?:[^/]+/)*" if part == "**" else _translate_name(part) + "/"
    return regex + (".*" if parts[-1] == "**" else _translate_name(parts[-1]))


def _translate_name(name: str) -> str:
    # fnmatch wraps its result in (?s:…)\Z or (?s:…)\z, and its * crosses slashes.
    return re.sub(r"(?<!\\)\.(?=\*)", "[^/]", fnmatch.translate(name)[len("(?s:") : -len(")\\Z")])
