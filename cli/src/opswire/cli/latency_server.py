"""The page on loopback, and the thread that keeps the rows up to date while it is served."""

from __future__ import annotations

import contextlib
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from opswire.chassis.http import guarded, refusal
from opswire.cli.errors import CommandError
from opswire.cli.latency import Looked, ledger_url, look_at_window, open_rows, title_of, trace_store
from opswire.cli.latency_page import content_policy, look_document, page, request_document
from opswire.cli.stack import LEDGER
from opswire.cli.state import RunRecord, StateDir
from opswire.ledger.many.sample import on_route, read_sample
from opswire.ledger.many.slo import TargetState, longest_window_ns, states_of
from opswire.ledger.rows.database import RowStoreError
from opswire.ledger.rows.following import Follower
from opswire.ledger.rows.retention import Retention, forget
from opswire.ledger.rows.store import RowStore
from opswire.ledger.store import StoreError, forget_before
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

FOLLOW_INTERVAL_S = 2.0
FORGET_INTERVAL_S = 600.0
SPANS_KEPT_NS = 24 * 3600 * 1_000_000_000
TARGETS_INTERVAL_S = 60.0
_HEADERS = {"referrer-policy": "no-referrer", "x-content-type-options": "nosniff", "cache-control": "no-store"}


class Following:
    """A thread that books what finishes and forgets what is old. `trouble` says what keeps it from doing so."""

    def __init__(self, state: StateDir, booked: Callable[[RowStore], None] = lambda _: None) -> None:
        """Nothing runs yet. `booked` is called in the thread whenever all that is due is booked."""
        self.trouble = ""
        self._state = state
        self._booked = booked
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the piece that is being booked. Blocks for at most ten seconds."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                rows = open_rows(ledger_url(self._state))
            except CommandError as error:
                self.trouble = str(error)
            else:
                with contextlib.closing(rows.database):
                    try:
                        self._follow(rows)
                    except (StoreError, RowStoreError, sqlite3.Error) as error:
                        self.trouble = str(error)
            self._stop.wait(FOLLOW_INTERVAL_S)

    def _follow(self, rows: RowStore) -> None:
        spans = trace_store(self._state)
        follower = Follower(spans, rows)
        forget_next_s = 0.0
        while not self._stop.is_set():
            # A few pieces at a time, so that stopping does not wait for a day of spans.
            behind = follower.catch_up(pieces_max=1).behind
            self.trouble = ""
            if behind:
                continue
            if time.monotonic() >= forget_next_s:
                forget_next_s = time.monotonic() + FORGET_INTERVAL_S
                follower.rebook()
                forget(rows, Retention(), time.time_ns())
                # The services do so too; where spans come over OTLP alone nobody else does.
                forget_before(spans, time.time_ns() - SPANS_KEPT_NS)
            self._booked(rows)
            self._stop.wait(FOLLOW_INTERVAL_S)


class Pages:
    """The page and its two questions. Every answer opens the row store anew: it may be another process's."""

    def __init__(self, state: StateDir, following: Following, token: str) -> None:
        """Opens nothing."""
        self._state = state
        self._following = following
        self._token = token
        self._targets: tuple[float, list[TargetState]] = (0.0, [])
        self._counting = threading.Lock()

    def app(self) -> ASGIApp:
        """The page alone."""
        return self.behind_names(Starlette(routes=self.routes()))

    def behind_names(self, app: ASGIApp) -> ASGIApp:
        """The application for those who ask it by its own names: one that is made to point here (rebinding) is not."""
        return TrustedHostMiddleware(app, allowed_hosts=["127.0.0.1", "localhost"])

    def routes(self) -> list[Route]:
        """The page itself holds no data and needs no token; what it asks does."""
        text = page(True)
        headers = _HEADERS | {"content-security-policy": f"{content_policy(text, True)}; frame-ancestors 'none'"}

        async def page_itself(_: Request) -> Response:
            return HTMLResponse(text, headers=headers)

        return [
            Route("/", page_itself, methods=["GET"]),
            Route("/api/look", guarded(self._asked(self._look), self._token), methods=["GET"]),
            Route("/api/request", guarded(self._asked(self._request), self._token), methods=["GET"]),
        ]

    def _asked(self, answer: Callable[[Any], Response]) -> Callable[[Request], Any]:
        async def asked(request: Request) -> Response:
            try:
                return await run_in_threadpool(answer, dict(request.query_params))
            except CommandError as error:
                return refusal(400 if error.exit_status == 2 else 503, error.code, str(error))
            except RowStoreError as error:
                return refusal(503, "row_store_away", str(error))

        return asked

    def _look(self, query: dict[str, str]) -> Response:
        route = query.get("route") or None
        rows = open_rows(ledger_url(self._state))
        with contextlib.closing(rows.database):
            now_ns = time.time_ns()
            # A window of time, never a file: what a browser says must not open one.
            after = look_at_window(rows, query.get("after") or "1h", route, now_ns)
            before: Looked | None
            if query.get("before"):
                before = look_at_window(rows, query["before"], route, now_ns)
            else:
                window = after.window.before() if after.window is not None else None
                before = None
                if window is not None:
                    sample = read_sample(rows, window.start_ns, window.end_ns, on_route(route))
                    before = Looked(sample, title_of(window), window)
            document = look_document(rows, before, after, route, self._states(rows, now_ns))
        return JSONResponse(document | {"trouble": self._following.trouble}, headers=_HEADERS)

    def _request(self, query: dict[str, str]) -> Response:
        rows = open_rows(ledger_url(self._state))
        with contextlib.closing(rows.database):
            found = request_document(rows, trace_store(self._state), query.get("key", ""))
        if found is None:
            return refusal(404, "not_found", "nothing is known of this request")
        return JSONResponse(found, headers=_HEADERS)

    def _states(self, rows: Any, now_ns: int) -> list[TargetState]:
        from opswire.cli.latency_commands import targets_of

        with self._counting:
            counted_s, states = self._targets
            if not states or time.monotonic() - counted_s > TARGETS_INTERVAL_S:
                targets = targets_of(self._state, None)
                states = states_of(targets, rows.rows(now_ns - longest_window_ns(targets), now_ns + 1), now_ns)
                self._targets = (time.monotonic(), states)
            return states


def serve_page(state_dir: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `tell` is given the address, token included. Raises CommandError."""
    state = StateDir(state_dir)
    open_rows(ledger_url(state)).database.close()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"port {port} is taken: {error.strerror}", "another --port, or none") from error
        listener.listen()
        token, following = secrets.token_urlsafe(32), Following(state)
        config = uvicorn.Config(Pages(state, following, token).app(), log_config=None, access_log=False, lifespan="off")
        following.start()
        try:
            # After the `#` it is sent to no server and stands in no log; the page takes it out of the address.
            tell(f"http://127.0.0.1:{listener.getsockname()[1]}/#token={token}")
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            following.stop()


def served_page(record: RunRecord) -> str:
    """Where the ledger of a running system serves the page, token included. Raises CommandError where it has none."""
    if LEDGER not in record.urls:
        raise CommandError("what runs was started without a ledger", "opswire down, then opswire up")
    return f"{record.urls[LEDGER]}/#token={record.token}"
