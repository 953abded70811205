"""The console's own files: scripts, a stylesheet, an icon. Read once, and served from memory."""

from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    content: bytes
    media_type: str


class Assets:
    """The files of ``static``. Their address holds a digest of all of them, so browsers may keep them for ever."""

    @cached_property
    def _files(self) -> dict[str, Asset]:
        found = {}
        for file in sorted(files("serving.console").joinpath("static").iterdir(), key=lambda one: one.name):
            suffix = file.name[file.name.rfind(".") :]
            if suffix in _TYPES:
                found[file.name] = Asset(file.read_bytes(), _TYPES[suffix])
        return found

    @cached_property
    def digest(self) -> str:
        whole = sha256()
        for name, asset in self._files.items():
            whole.update(name.encode() + b"\0" + asset.content + b"\0")
        return whole.hexdigest()[:12]

    def find(self, name: str) -> Asset | None:
        return self._files.get(name)
