"""A local HTTP server that serves one file, well or badly."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server does; tests change it between requests."""

    content: bytes
    ranges: bool = True  # understands Range
    cuts: list[int] = field(default_factory=list)  # bytes after which each next answer breaks off
    statuses: list[int] = field(default_factory=list)  # errors that each next request gets first
    pause: float = 0.0  # seconds before each block of 64 KiB
    requests: list[str | None] = field(default_factory=list)  # the Range of each request so far
    sent: int = 0  # bytes over all answers


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The address of a server on this machine that behaves like that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            behaviour.requests.append(wanted)
            if behaviour.statuses:
                self.send_error(behaviour.statuses.pop(0))
                return
            start = int(wanted[6:-1]) if wanted and behaviour.ranges else 0
            if start >= len(behaviour.content):
                self.send_error(416)
                return
            body = behaviour.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._send(body[: behaviour.cuts.pop(0)] if behaviour.cuts else body)

        def _send(self, body: bytes) -> None:
            for at in range(0, len(body), 65536):
                time.sleep(behaviour.pause)
                self.wfile.write(body[at : at + 65536])
                behaviour.sent += len(body[at : at + 65536])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/weights.pth"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
