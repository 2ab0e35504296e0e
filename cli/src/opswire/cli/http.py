"""A small HTTP client for the services on loopback: JSON in, JSON out, bearer token, no proxies."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from opswire.cli.errors import CommandError, NotFoundError, NotRunningError, UsageError

TIMEOUT_S = 60.0
ADVICE = {"assets": "opswire assets list"}
"""Where to look for what is not found, by the first part of the path."""


class ServiceClient:
    """Talks to one service."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        # A proxy of the environment must not see loopback traffic, nor the token.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """One request. Raises NotRunningError, NotFoundError (404), UsageError (other 4xx) or CommandError (5xx)."""
        url = f"{self._base_url}{path}{'?' + urllib.parse.urlencode(query) if query else ''}"
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(url, data=body, method=method, headers=headers)  # noqa: S310  our own address
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise _refusal(error.code, error.read(), ADVICE.get(path.split("/")[1], "")) from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise NotRunningError(f"no service answers at {self._base_url}", "opswire status") from error
        return json.loads(content) if content else None


def _refusal(status: int, body: bytes, not_found: str = "", refused: str = "") -> CommandError:
    sentence = _sentence(body) or f"the service answers {status}"
    if status == 404:
        return NotFoundError(sentence, not_found)
    if status in (401, 403):
        return CommandError(f"the service refuses the token: {sentence}", "the --state-dir of the running Opswire")
    return UsageError(sentence, refused) if 400 <= status < 500 else CommandError(sentence, "opswire doctor")


def _sentence(body: bytes) -> str:
    """What the service says is wrong, whichever of the usual places it says it in."""
    try:
        value = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()[:500]
    if isinstance(value, dict):
        for key in ("detail", "error", "message"):
            found = value.get(key)
            if isinstance(found, dict):
                found = found.get("message") or found.get("detail")
            if isinstance(found, str) and found:
                return found
    return json.dumps(value, ensure_ascii=False)[:500]
