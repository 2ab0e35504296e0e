"""What a running vLLM shows of itself: its version, its models, and by one small call which flags it has."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opswire.cli.checks import Finding

VLLM_VERSION = "0.32.0"
"""The release that images, flags and tests are of."""
HOW_TO = "docs/how-to/run-the-model-server.md"
SHARED_FLAGS = "the server must read deploy/vllm/shared-flags.yaml (--config)"
BASE_URL = "http://127.0.0.1:8000/v1"
ANSWER_WITHIN_S = 5.0
CALL_WITHIN_S = 60.0
BODY_BYTES_MAX = 2_000_000
SCHEMA = {
    "type": "object",
    "properties": {"state": {"enum": ["well"]}, "again": {"enum": ["well"]}},
    "required": ["state", "again"],
    "additionalProperties": False,
}


class NoAnswerError(Exception):
    """The server did not answer, or not in a form that can be read. `status` is None where nothing came."""

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class Server:
    """A vLLM, asked from outside. No key is ever part of an error."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.root = base_url.rstrip("/").removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # A proxy of the environment must not see the key.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def text(self, path: str, body: object = None, timeout_s: float = ANSWER_WITHIN_S) -> str:
        """The answer's text. Raises NoAnswerError."""
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | {"Content-Type": "application/json"}
        try:
            request = urllib.request.Request(f"{self.root}{path}", data=data, headers=headers)  # noqa: S310
            with self._opener.open(request, timeout=timeout_s) as answer:
                content: bytes = answer.read(BODY_BYTES_MAX)
        except urllib.error.HTTPError as error:
            raise NoAnswerError(f"{path} answers {error.code}", error.code) from error
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise NoAnswerError(f"no answer at {self.root}: {getattr(error, 'reason', error)}") from error
        return content.decode(errors="replace")

    def json(self, path: str, body: object = None, timeout_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
        """The answer's JSON object. Raises NoAnswerError."""
        try:
            found = json.loads(self.text(path, body, timeout_s))
        except ValueError as error:
            raise NoAnswerError(f"{path} answers no JSON") from error
        if not isinstance(found, dict):
            raise NoAnswerError(f"{path} answers no JSON object")
        return found


def judged_version(check: str, version: str, detail: str) -> Finding:
    """The version is the one that flags and measurements were tried with."""
    if version.startswith(VLLM_VERSION):
        return Finding(check, "ok", detail)
    return Finding(check, "note", detail, f"flags and figures of this repository were tried with {VLLM_VERSION}")


async def server_findings(environment: Mapping[str, str], model: str) -> tuple[bool, list[Finding]]:
    """Whether a vLLM answers, and what is to be said about it."""
    url = environment.get("LLM_BASE_URL") or BASE_URL
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        return False, [Finding("server", "wrong", "LLM_BASE_URL is no address", "http://HOST:8000/v1")]
    server = Server(url, environment.get("LLM_API_KEY", ""))
    answers, found = await asyncio.to_thread(_look, server, model)
    # It costs the server about 50,000 prompt tokens: only where it is well and its command line is not to be seen.
    is_well = all((each.check, each.verdict) != ("server", "wrong") for each in found)
    if is_well and (found[-1].check, found[-1].verdict) == ("priority", "note"):
        found[-1] = await _priority_by_trying(server, environment.get("LLM_API_KEY", "")) or found[-1]
    return answers, found


async def _priority_by_trying(server: Server, api_key: str) -> Finding | None:
    """For a server whose command line cannot be seen: what it does with bulk and interactive calls."""
    from opswire.chassis.errors import OpswireError
    from opswire.chassis.inference.endpoint import Endpoint
    from opswire.chassis.inference.priority import heeds_priority
    from pydantic import SecretStr

    try:
        rows = (await asyncio.to_thread(server.json, "/v1/models")).get("data") or [{}]
        endpoint = Endpoint(
            name="server",
            provider="vllm",
            base_url=f"{server.root}/v1",
            model=str(rows[0].get("id")),
            api_key=SecretStr(api_key) if api_key else None,
        )
        heeded = await heeds_priority(endpoint)
    except (NoAnswerError, OpswireError, ValueError):
        return None
    return None if heeded is None else _heeded() if heeded else _ignored()


def _heeded() -> Finding:
    return Finding("priority", "ok", "interactive calls go before bulk ones")


def _ignored() -> Finding:
    return Finding("priority", "wrong", "the field `priority` is ignored: bulk calls delay all others", SHARED_FLAGS)


def _look(server: Server, planned: str) -> tuple[bool, list[Finding]]:
    try:
        version = str(server.json("/version")["version"])
    except (NoAnswerError, KeyError) as error:
        if getattr(error, "status", None) is None and isinstance(error, NoAnswerError):
            return False, [Finding("server", "note", str(error), f"start it: {HOW_TO}; or set LLM_BASE_URL")]
        detail = f"{server.root} answers, but is no vLLM"
        return False, [Finding("server", "note", detail, "LLM_BASE_URL leads elsewhere")]
    found = [judged_version("server", version, f"vLLM {version} answers at {server.root}")]
    try:
        rows = server.json("/v1/models").get("data") or [{}]
        model = str(rows[0].get("id"))
        found += _models(rows, planned) + _prefix_caching(server) + _by_one_call(server, model)
    except (KeyError, AttributeError, IndexError, TypeError) as error:
        detail = f"it answers in a form that is not vLLM {VLLM_VERSION}'s: {error!r}"
        found.append(Finding("server", "wrong", detail, "look into the server's log"))
    except NoAnswerError as error:
        status = error.status
        advice = "LLM_API_KEY must be the server's key" if status in (401, 403) else "look into the server's log"
        found.append(Finding("server", "wrong", f"it cannot be looked at: {error}", advice))
    return True, [*found, *_priority(server)]


def _models(rows: list[dict[str, Any]], planned: str) -> list[Finding]:
    names = [str(row.get("id")) for row in rows]
    detail = f"serves {', '.join(names)}, up to {rows[0].get('max_model_len')} tokens a call"
    if planned in names:
        return [Finding("model", "ok", detail)]
    return [Finding("model", "note", detail, f"{planned} is planned (OPSWIRE_VLLM_MODEL); services need LLM_MODEL")]


def _prefix_caching(server: Server) -> list[Finding]:
    """One line of /metrics holds the cache's configuration."""
    line = re.search(r"^vllm:cache_config_info\{(.*)\} ", server.text("/metrics"), re.MULTILINE)
    said = re.search(r'enable_prefix_caching="(\w+)"', line[1]) if line else None
    if said is None:
        return [Finding("prefix", "note", "whether prefixes are cached is not to be seen", SHARED_FLAGS)]
    if said[1] == "True":
        return [Finding("prefix", "ok", "prefix caching is on")]
    return [Finding("prefix", "wrong", "prefix caching is off: each prompt is computed as a whole", SHARED_FLAGS)]


def _by_one_call(server: Server, model: str) -> list[Finding]:
    """Metrics, token details and compact JSON show in an answer."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Answer in JSON."}],
        "max_tokens": 32,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "state", "schema": SCHEMA, "strict": True}},
    }
    reply = server.json("/v1/chat/completions", body, CALL_WITHIN_S)
    text = str(reply["choices"][0]["message"]["content"])
    usage = reply.get("usage") or {}
    seen = (
        (bool(reply.get("metrics")), "per-request metrics", "queue, prefill and decode cannot be told apart"),
        (bool(usage.get("prompt_tokens_details")), "prompt token details", "what the prefix cache saved is unknown"),
        ('{"state":"well","again":"well"}'.startswith(text) and bool(text), "compact JSON", f"answered {text[:40]!r}"),
    )
    return [
        Finding("flags", "ok", f"{name} are on" if name[-1] == "s" else f"{name} is on")
        if is_on
        else Finding("flags", "wrong", f"no {name}: {why}", SHARED_FLAGS)
        for is_on, name, why in seen
    ]


def _priority(server: Server) -> list[Finding]:
    """vLLM shows its scheduling policy nowhere; on this machine its command line does."""
    address = urllib.parse.urlsplit(server.root)
    words = _command_line(address.port or 80) if address.hostname in ("127.0.0.1", "localhost", "::1") else None
    if words is None:
        detail = "whether calls are scheduled by priority is not to be seen from outside"
        return [Finding("priority", "note", detail, SHARED_FLAGS)]
    text = " ".join(words)
    if "--config" in words[:-1]:
        try:
            text += " " + Path(words[words.index("--config") + 1]).read_text(encoding="utf-8")
        except OSError:
            return [Finding("priority", "note", "the server's --config file is not to be read from here", SHARED_FLAGS)]
    if re.search(r"^[^#\n]*scheduling-policy[=: ]+priority", text, re.MULTILINE):
        return [_heeded()]
    return [_ignored()]


def _command_line(port: int) -> list[str] | None:
    """The words of the vLLM on this machine that serves the port; None where none is to be seen."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue
        is_server = "vllm.entrypoints.openai.api_server" in words or (
            "serve" in words and "vllm" in " ".join(words[:3])
        )
        given = words[words.index("--port") + 1] if "--port" in words[:-1] else "8000"
        if is_server and given == str(port):
            return words
    return None
