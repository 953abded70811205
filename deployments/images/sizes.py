"""How large images are, against what they may be: ``python3 -m deployments.images.sizes ENGINE IMAGE=MB...``.

MB is the most that one may take on the disk of a machine. What has to be fetched is told beside it: the layers,
compressed; registries compress a little better, as this takes the quickest way. No more than the standard library:
`make images` needs no environment.
"""

import subprocess
import sys
import zlib
from typing import NamedTuple

MB = 1_000_000
_BLOCK = 1 << 20


class Size(NamedTuple):
    """Bytes on the disk, and bytes to fetch."""

    unpacked: int
    fetched: int


def report(sizes: dict[str, tuple[Size, int]]) -> tuple[str, bool]:
    """A line an image, and whether each is within its bound. ``sizes``: with the MB allowed, by name."""
    width = max(map(len, sizes))
    lines, fits = [], True
    for image, (size, allowed) in sizes.items():
        within = size.unpacked <= allowed * MB
        fits &= within
        told = f"{size.unpacked / MB:6.0f} MB on the disk, of {allowed}; {size.fetched / MB:.0f} MB to fetch"
        lines.append(f"{image:<{width}}  {told}{'' if within else '  TOO LARGE'}")
    return "\n".join(lines), fits


def size_of(engine: str, image: str) -> Size:
    """As the engine has it, and as it would be sent."""
    asked = [engine, "image", "inspect", "--format", "{{.Size}}", image]
    unpacked = int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    compress = zlib.compressobj(1)
    fetched = 0
    with subprocess.Popen([engine, "save", image], stdout=subprocess.PIPE, bufsize=0) as saving:
        assert saving.stdout
        while block := saving.stdout.read(_BLOCK):
            fetched += len(compress.compress(block))
    if saving.returncode:
        raise subprocess.CalledProcessError(saving.returncode, [engine, "save", image])
    return Size(unpacked, fetched + len(compress.flush()))


def main(engine: str, *bounds: str) -> int:
    pairs = (bound.rpartition("=") for bound in bounds)
    text, fits = report({image: (size_of(engine, image), int(allowed)) for image, _, allowed in pairs})
    sys.stdout.write(text + "\n")
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
