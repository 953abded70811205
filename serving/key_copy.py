"""The API keys on this machine's disk, hashes and no secrets: a restart knows them while the document store is down."""

import os
from pathlib import Path

from loguru import logger

from sluice.document_json import decode, encode
from sluice.documents import Document


def read_copy(path: Path) -> list[Document] | None:
    """What was read last, or None where there is no copy that can be read."""
    try:
        keys = decode(path.read_text(encoding="utf-8"))["keys"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("The copy of the API keys in {} cannot be read; it is written anew: {}", path, error)
        return None
    return keys if isinstance(keys, list) and all(isinstance(key, dict) for key in keys) else None


def write_copy(path: Path, keys: list[Document]) -> None:
    """Replace the copy as a whole.

    Raises:
        OSError: the disk does not take it; the copy is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # several processes may share a home
    part.unlink(missing_ok=True)
    try:
        # Only its owner may read it: hashes tell nothing of a secret, but names and scopes are nobody's business.
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(encode({"keys": keys}))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
