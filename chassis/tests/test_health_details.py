"""Details are shown beside the checks of /health/ready, and never decide whether a service is ready."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

from opswire.chassis.health import HttpServer, create_health_app
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings


async def ready(service: Service) -> tuple[int, dict[str, Any]]:
    """What /health/ready of this service answers, over HTTP; its broker is left out."""
    app = create_health_app("x", "1", lambda: {"broker": "ok"}, service.metrics, [], service._shown)
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()

    def get() -> tuple[int, dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health/ready", None, 5) as reply:
            return reply.status, json.load(reply)

    try:
        return await asyncio.to_thread(get)
    finally:
        await server.stop()


def service() -> Service:
    return Service("cache", "1", ServiceSettings())


async def test_details_are_shown_as_json() -> None:
    one = service()
    one.details["model"] = lambda: {
        "endpoint": "local",
        "state": "open",
        "file": Path("inference.yaml"),
        3: float("nan"),
    }
    status, body = await ready(one)
    assert (status, body["status"], body["parts"]) == (200, "ok", {"broker": "ok"})
    assert body["details"]["model"] == {"endpoint": "local", "state": "open", "file": "inference.yaml", "3": None}


async def test_a_detail_that_fails_leaves_the_service_ready_and_the_others_shown() -> None:
    one = service()
    one.details["broken"] = lambda: 1 // 0
    one.details["well"] = lambda: "seen"
    status, body = await ready(one)
    assert status == 200
    assert body["details"] == {"broken": {"error": "ZeroDivisionError"}, "well": "seen"}


async def test_without_details_nothing_is_added() -> None:
    assert set((await ready(service()))[1]) == {"status", "service", "version", "parts"}
