"""A stand-in of the Hugging Face hub: the endpoints that `huggingface_hub` asks, with a separate host for the bytes.

As the hub does, it answers `HEAD` and `GET /{repository}/resolve/{revision}/{file}` with a redirect that carries
commit, digest and size, and lets another origin serve the bytes, whole or by range. Errors carry `X-Error-Code`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the stand-in serves and what it has seen; `cut_after` ends the bytes early, once."""

    files: dict[str, bytes]
    token: str | None = None
    announced: dict[str, str] = field(default_factory=dict)
    is_lfs: bool = True
    cut_after: int | None = None
    revisions: tuple[str, ...] = ("main", COMMIT)
    endpoint: str = ""
    bytes_endpoint: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, format: str, *args: object) -> None:
        return

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", headers.get("X-Length", str(len(body))))
        self.end_headers()
        self.wfile.write(body)


class _HubHandler(_Quiet):
    def do_HEAD(self) -> None:
        self.resolve()

    def do_GET(self) -> None:
        self.resolve()

    def resolve(self) -> None:
        hub = self.hub
        hub.requests.append((self.command, self.path))
        parts = self.path.lstrip("/").split("/")
        repository, revision, name = "/".join(parts[:2]), parts[3], parts[4]
        key = f"{repository}/{name}"
        if not any(known.startswith(repository + "/") for known in hub.files):
            return self.answer(401, {"X-Error-Code": "RepoNotFound"})
        if revision not in hub.revisions:
            return self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        if key not in hub.files:
            return self.answer(404, {"X-Error-Code": "EntryNotFound"})
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer(401, {"X-Error-Code": "GatedRepo"})
        digest = hub.announced.get(key) or hashlib.sha256(hub.files[key]).hexdigest()
        etag = digest if hub.is_lfs else digest[:40]
        self.answer(
            302,
            {
                "Location": f"{hub.bytes_endpoint}/{key}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{etag}"',
                "X-Linked-Size": str(len(hub.files[key])),
                "ETag": f'"{etag}"',
            },
        )


class _BytesHandler(_Quiet):
    def do_GET(self) -> None:
        hub = self.hub
        if "Authorization" in self.headers:
            hub.leaked.append(self.path)
        data = hub.files[self.path.lstrip("/")]
        wanted = self.headers.get("Range")
        hub.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        body = data[start:]
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if wanted else {}
        if hub.cut_after is not None:
            length, body, hub.cut_after = len(body), body[: hub.cut_after], None
            self.answer(206 if wanted else 200, {**headers, "X-Length": str(length)}, body)
            self.close_connection = True
            return
        self.answer(206 if wanted else 200, headers, body)


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serves the hub and its bytes on two local ports."""
    servers = [
        ThreadingHTTPServer(("127.0.0.1", 0), type(base.__name__, (base,), {"hub": hub}))
        for base in (_HubHandler, _BytesHandler)
    ]
    hub.endpoint, hub.bytes_endpoint = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
