"""S3 as far as files are listed and read, in a process of its own.

The object store client of `deltalake` holds the interpreter's lock while it waits: a server in the same process would
never answer it.
"""

import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.website import Reply, Request, Website, website


class FakeBucket:
    """The bucket ``bucket``: listing and ranged reads, for the access key ``key-id`` only."""

    def __init__(self, site: Website, objects: Mapping[str, bytes]) -> None:
        self._objects = objects
        site.routes["/bucket"] = self._list
        for name in objects:
            site.routes[f"/bucket/{name}"] = lambda request, name=name: self._read(request, name)

    def _list(self, request: Request) -> Reply:
        if "key-id" not in request.headers.get("authorization", ""):
            return Reply("<Error><Code>AccessDenied</Code></Error>", 403)
        prefix, delimiter = request.params.get("prefix", ""), request.params.get("delimiter")
        found, folders = "", set()
        for name, content in sorted(self._objects.items()):
            below = name.removeprefix(prefix)
            if not name.startswith(prefix):
                continue
            if delimiter and delimiter in below:
                folders.add(prefix + below.split(delimiter)[0] + delimiter)
            else:
                found += (
                    f"<Contents><Key>{name}</Key><Size>{len(content)}</Size>"
                    f'<LastModified>2026-11-21T04:30:00.000Z</LastModified><ETag>"{len(content)}"</ETag></Contents>'
                )
        found += "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in sorted(folders))
        body = f"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        return Reply(body, headers={"Content-Type": "application/xml"})

    def _read(self, request: Request, name: str) -> Reply:
        content = self._objects[name]
        headers = {"ETag": f'"{len(content)}"', "Last-Modified": "Sat, 21 Nov 2026 04:30:00 GMT"}
        if "range" not in request.headers:
            return Reply(content, headers=headers)
        first, last = request.headers["range"].removeprefix("bytes=").split("-")
        part = content[int(first) : int(last) + 1]
        there = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        return Reply(part, 206, {**headers, "Content-Range": there})


def _serve(connection: Connection, objects: Mapping[str, bytes]) -> None:
    with website() as site:
        FakeBucket(site, objects)
        connection.send(site.url)
        connection.recv()


@contextmanager
def bucket(objects: Mapping[str, bytes]) -> Iterator[str]:
    """The address of an endpoint that has them in ``bucket``."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, objects), daemon=True)
    process.start()
    try:
        assert here.poll(30), "the bucket's server did not start"
        yield here.recv()
        here.send("stop")
        process.join(5)
    finally:
        process.kill()
        process.join()
        process.close()
        here.close()
        there.close()
