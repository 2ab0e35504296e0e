"""The count of the configured server itself: vLLM answers `POST /tokenize` with its own model's tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Self
from urllib.parse import urlsplit

from opswire.chassis.inference.call import Message
from opswire.chassis.inference.endpoint import Endpoint

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 4_194_304


class CannotCountError(Exception):
    """The server does not answer, or does not count tokens. The message is one sentence."""


class ServerCount:
    """Counts by asking one server over one connection. Use it as a context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Nothing is contacted yet."""
        parts = urlsplit(endpoint.base_url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._path = f"{parts.path.rstrip('/').removesuffix('/v1')}/tokenize"
        self._model = endpoint.model
        self._headers = {"Content-Type": "application/json"}
        if endpoint.api_key is not None:
            self._headers["Authorization"] = f"Bearer {endpoint.api_key.get_secret_value()}"

    def __enter__(self) -> Self:
        """Connects with the first count."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._connection.close()

    def count_chat(self, messages: Sequence[Message]) -> int:
        """The prompt tokens of a conversation in the server's own count. Raises CannotCountError."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        body = json.dumps({"model": self._model, "messages": turns, "add_generation_prompt": True})
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            answer = response.read(ANSWER_BYTES_MAX)
        except (OSError, HTTPException) as error:
            raise CannotCountError(f"it does not answer: {error}") from error
        if response.status != 200:
            raise CannotCountError(f"{self._path} answers {response.status}: this server counts no tokens")
        return _count_in(answer)


def _count_in(answer: bytes) -> int:
    try:
        found: Any = json.loads(answer)
    except ValueError as error:
        raise CannotCountError("its answer is no JSON") from error
    count = found.get("count") if isinstance(found, dict) else None
    if type(count) is not int or count < 0:
        raise CannotCountError("its answer holds no count")
    return count
