"""Takes what no running program reads out of an image's packages: ``python -I slim.py [serving]``, while it is built.

In any image these are tests, what compilers read, what is there twice, and the symbols of libraries; in that of
serving also what a service never does. Each distribution's RECORD says what is left, and a file SLIMMED beside it what
was done, for the bill of materials. No more than the standard library.
"""

import csv
import re
import struct
import sys
import sysconfig
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import PathDistribution, distributions
from importlib.util import cache_from_source
from pathlib import Path, PurePosixPath

NOTE = "SLIMMED"
MB = 1_000_000
_TESTS = {"test", "tests"}
_SOURCES = {".a", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyx"}
_EVERYWHERE = (
    # The same library three times over, since a wheel has no links: it is loaded by the name with one number.
    r"pyarrow/libarrow_python\w*\.so(?:\.\d+\.\d+\.\d+)?",
    # For programs in other languages; Python's module has it inside.
    r"onnxruntime/capi/libonnxruntime\.so\..*",
)
_SERVING = (
    # Models lie on S3, and who may read them is told by STS or a login; the other four hundred services are not asked.
    r"botocore/data/(?!(?:s3|signin|sso|sso-oidc|sts)/)[^/]+/.+",
    # MLflow looks whether databricks.agents is there, for which the folder above it has to be. Nothing logs in there.
    r"databricks/sdk/.+",
    # A protocol of databases, with the whole of gRPC.
    r"pyarrow/(?:_flight|libarrow_flight|libarrow_python_flight)\..*",
    # What changes models of other frameworks before they are served.
    r"onnxruntime/(?:quantization|tools|transformers)/.+",
)


def slim(found: PathDistribution, unused: re.Pattern[str]) -> int:
    """Bytes that a distribution lost.

    Args:
        unused: its files that are not needed either, by their path in the folder of packages.
    """
    site = Path(str(found.locate_file("")))
    record = next((site / file for file in found.files or () if file.match("*.dist-info/RECORD")), None)
    if record is None:
        return 0
    kept, removed, lost, stripped = [], 0, 0, 0
    with record.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for name, digest, size in rows:
        path = site / name
        if unused.fullmatch(name) or _unread(site, PurePosixPath(name)):
            lost += _remove(path)
            removed += 1
        elif ".so" in path.suffixes and (less := cut_symbols(path)):
            lost += less
            stripped += 1
            kept.append((name, *_fingerprint(path)))
        else:
            kept.append((name, digest, size))
    if not lost:
        return 0
    said = f"{removed} files that no running program reads removed, symbols cut off {stripped} libraries"
    note = record.with_name(NOTE)
    note.write_text(f"{said}: {lost / MB:.1f} MB less.\n", encoding="utf-8")
    kept.append((note.relative_to(site).as_posix(), *_fingerprint(note)))
    with record.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)
    return lost


def cut_symbols(path: Path) -> int:
    """Bytes that a library lost: all behind what is loaded, which are the names that debuggers show, and sections.

    What is loaded is told by the program headers alone (System V ABI, chapter 5), and stays as it is, byte by byte.
    """
    with path.open("r+b") as file:
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":  # 64 bits, the low byte first
            return 0
        (start,) = struct.unpack_from("<Q", header, 32)
        each, count = struct.unpack_from("<HH", header, 54)
        file.seek(start)
        segments = file.read(each * count)
        end: int = start + each * count
        for place in range(0, each * count, each):
            (offset,), (size,) = (
                struct.unpack_from("<Q", segments, place + 8),
                struct.unpack_from("<Q", segments, place + 32),
            )
            end = max(end, offset + size)
        less = file.seek(0, 2) - end
        if less <= 0:
            return 0
        file.truncate(end)
        # No table of sections any more: its place, their number, and which of them has their names.
        file.seek(40)
        file.write(struct.pack("<Q", 0))
        file.seek(60)
        file.write(struct.pack("<HH", 0, 0))
    return less


def _unread(site: Path, file: PurePosixPath) -> bool:
    if ".dist-info" in file.parts[0]:
        return False
    within = (parent for parent in file.parents if parent.name in _TESTS)
    # Of a package: what is called so elsewhere may be anything.
    return file.suffix in _SOURCES or any((site / parent.parent / "__init__.py").exists() for parent in within)


def _remove(path: Path) -> int:
    size = 0
    for each in (path, Path(cache_from_source(str(path)))) if path.suffix == ".py" else (path,):
        if each.exists():
            size += each.stat().st_size
            each.unlink()
            for folder in each.parents:
                if any(folder.iterdir()):
                    break
                folder.rmdir()
    return size


def _fingerprint(path: Path) -> tuple[str, str]:
    """As RECORD has it (https://packaging.python.org/en/latest/specifications/recording-installed-packages/)."""
    content = path.read_bytes()
    return f"sha256={urlsafe_b64encode(sha256(content).digest()).rstrip(b'=').decode()}", str(len(content))


def main(image: str = "") -> None:
    unused = re.compile("|".join((*_EVERYWHERE, *(_SERVING if image == "serving" else ()))))
    installed = distributions(path=[sysconfig.get_path("purelib")])
    lost = sum(slim(found, unused) for found in installed if isinstance(found, PathDistribution))
    sys.stdout.write(f"{lost / MB:.0f} MB less\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
