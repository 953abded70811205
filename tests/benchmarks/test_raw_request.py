"""Requests as bytes, and the file of them that wrk's script and the open loop read."""

from pathlib import Path

from benchmarks.raw_request import raw_request, read_requests, write_requests


def test_a_request_is_complete_on_the_wire() -> None:
    """The length counts bytes, not letters; a request without a body is a GET."""
    head, _, body = raw_request("/predict", {"a": "ü"}, {"Authorization": "Bearer x"}).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\nHost: ")
    assert b"Authorization: Bearer x" in head.split(b"\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert raw_request("/movies?k=1").startswith(b"GET /movies?k=1 HTTP/1.1\r\n")
    assert raw_request("/movies").endswith(b"\r\n\r\n")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Whatever bytes are in a request, and however many requests there are."""
    requests = [b"1\n22\n", b"\x00\xff" * 5000, raw_request("/", {"row": [1.5]})]
    write_requests(requests, tmp_path / "file")
    assert read_requests(tmp_path / "file") == requests
