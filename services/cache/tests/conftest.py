"""A cache service on a real broker, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from opswire.cache.app import create_app
from opswire.cache.settings import CacheSettings
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from pydantic import SecretStr

TOKEN = "token-of-a-test"


@dataclass(slots=True)
class Running:
    """The service, and calls to it beside the loop."""

    service: Service

    async def call(self, method: str, path: str, body: object = None, token: str | None = TOKEN) -> tuple[int, Any]:
        """Status and JSON of one answer; `body` may be bytes or what becomes JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.service.http_port}{path}"
        return await asyncio.to_thread(_asked, urllib.request.Request(url, data, headers, method=method))


def _asked(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def settings_of(nats_server: NatsServer, tmp_path: Path, **more: Any) -> CacheSettings:
    return CacheSettings(nats_url=nats_server.url, http_token=SecretStr(TOKEN), state_dir=tmp_path / "state", **more)


@pytest_asyncio.fixture
async def cache_service(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Running]:
    """A running cache service without an inventory."""
    service = create_app(settings_of(nats_server, tmp_path))
    await service.start()
    yield Running(service)
    await service.stop()
