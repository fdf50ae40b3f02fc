"""A backend for a mobile app: many users, one model, every history as a snapshot in memory.

    $ python examples/mobile_backend.py shop.nsight --port 8080
    listening on http://127.0.0.1:8080

    POST   /users/ada/events   {"event": "view", "price": 19.9}   observe, and read
    GET    /users/ada                                             read as of now, after the silence since
    DELETE /users/ada                                             forget

It answers {"purchase": 0.12, ...}. A real backend would keep the snapshots in its database (1.5 kB a user), stand
behind TLS and know who is asking; this one listens on the loopback address only.
"""

import argparse
import json
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import nearsight

LARGEST_BODY = 65_536


class Backend(HTTPServer):
    """One thread serves all users: a runtime answers one call at a time, in microseconds."""

    def __init__(self, insight: nearsight.Insight, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.insight = insight
        self.snapshots: dict[str, bytes] = {}

    def observe(self, user: str, event: Any) -> nearsight.Reading:
        """Add an event to a user's history. Raises `ValueError` or `EventError` for one that can't be used."""
        if not isinstance(event, dict) or "event" not in event:
            raise ValueError('expected an object such as {"event": "view", "price": 19.9}')
        session = self.insight.session(self.snapshots.get(user))
        reading = session.observe(event.pop("event"), time=event.pop("time", time.time()), **event)
        self.snapshots[user] = session.snapshot()
        return reading

    def score(self, user: str) -> nearsight.Reading:
        """What the silence since the last event means. Raises `KeyError` for a user who was never observed."""
        return self.insight.session(self.snapshots[user]).score(time=time.time())


class Handler(BaseHTTPRequestHandler):
    """Reads the request, asks the backend, writes JSON."""

    server: Backend

    def do_POST(self) -> None:
        """Observe."""
        try:
            reading = self.server.observe(self._user("/events"), json.loads(self._body()))
        except (ValueError, nearsight.EventError) as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        else:
            self._send(HTTPStatus.OK, dict(reading))

    def do_GET(self) -> None:
        """Read as of now."""
        try:
            self._send(HTTPStatus.OK, dict(self.server.score(self._user())))
        except (KeyError, ValueError):
            self._send(HTTPStatus.NOT_FOUND, {"error": "nobody of that name was observed"})

    def do_DELETE(self) -> None:
        """Forget."""
        self.server.snapshots.pop(self.path.removeprefix("/users/"), None)
        self._send(HTTPStatus.OK, {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Behaviour data doesn't belong in a log."""

    def _user(self, ending: str = "") -> str:
        if not self.path.startswith("/users/") or not self.path.endswith(ending):
            raise ValueError(f"expected /users/NAME{ending}")
        return self.path.removeprefix("/users/").removesuffix(ending)

    def _body(self) -> bytes:
        size = int(self.headers.get("Content-Length", 0))
        if size > LARGEST_BODY:
            raise ValueError(f"an event has at most {LARGEST_BODY} bytes")
        return self.rfile.read(size)

    def _send(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve readings to a mobile app.")
    parser.add_argument("bundle", type=Path, help="a .nsight file")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    options = parser.parse_args()
    backend = Backend(nearsight.load(options.bundle), options.port)
    print(f"listening on http://127.0.0.1:{backend.server_port}", flush=True)
    try:
        backend.serve_forever()
    except KeyboardInterrupt:
        backend.server_close()


if __name__ == "__main__":
    main()
