"""BYTES in binary: each element is its length, four bytes little-endian, and then itself."""

from collections.abc import Iterable
from struct import Struct

_LENGTH = Struct("<I")


def pack(elements: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for element in elements:
        parts += (_LENGTH.pack(len(element)), element)
    return b"".join(parts)


def unpack(data: bytes) -> list[bytes]:
    """
    Raises:
        ValueError: an element is longer than what is left.
    """
    elements, position, end = [], 0, len(data)
    while position < end:
        start = position + _LENGTH.size
        if start > end:
            raise ValueError("ends within a length")
        position = start + _LENGTH.unpack_from(data, position)[0]
        if position > end:
            raise ValueError(f"has an element of {position - start:,} bytes, where {end - start:,} are left")
        elements.append(data[start:position])
    return elements
