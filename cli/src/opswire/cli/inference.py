"""What the `inference` commands do: read the configuration as the services read it, switch, and try each endpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opswire.chassis.inference.call import InferenceCall, Lane, Message, OutputSchema
from opswire.chassis.inference.capabilities import Capabilities, StructuredOutput, capabilities_of, registry
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import FILE_VARIABLE, InferenceConfiguration, load_configuration
from opswire.chassis.inference.configuration_file import ENVIRONMENT, ConfigurationFile
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.metrics import Metrics
from opswire.cli.errors import CommandError, NotFoundError, UsageError
from opswire.cli.stack import MODEL, model_settings
from opswire.cli.state import StateDir
from opswire.cli.switching import Choice, with_chain, write_in_one_step

CHECK_TIMEOUT_S = 30.0
HOW_TO = "docs/how-to/choose-a-model-server.md"
SHOWN = ("provider", "base_url", "model", "api_key", "temperature", "max_tokens", "timeout_s")
_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


def file_of(state: StateDir) -> Path:
    """The file of model servers: `OPSWIRE_INFERENCE_FILE`, else `inference.yaml` in the state directory."""
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named else state.path / "inference.yaml"


def environment_of(state: StateDir) -> dict[str, str]:
    """This environment, and what `up --model` gives the services that run here."""
    record = state.read_run()
    running = record.urls if record is not None and record.alive else {}
    return dict(os.environ) | (model_settings(running) if MODEL in running else {})


def show(state: StateDir, service: str) -> dict[str, Any]:
    """The chain of a service as it is read now. Raises UsageError where the configuration is wrong."""
    file = file_of(state)
    found = _load(state, service)
    document: dict[str, Any] = {"service": service, "file": str(file), "file_exists": file.exists(), "chain": []}
    if found is None:
        return document | {"chosen_by": "nothing", "ignored": []}
    document["chain"] = [_endpoint(endpoint, found.origins.get(endpoint.name, {})) for endpoint in found.chain]
    return document | {"chosen_by": found.chosen_by, "ignored": list(found.ignored)}


def use(state: StateDir, choice: Choice) -> dict[str, Any]:
    """Put an endpoint first in the file. Raises NotFoundError, UsageError, or CommandError where it is not writable."""
    file = file_of(state)
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        read = ConfigurationFile(file, text)
        added = _added(read, choice, file)
        before = read.chain(choice.service or "")
        others = [] if before is None else [name for name in before[0].chain if name != choice.endpoint]
        if choice.endpoint == ENVIRONMENT:
            chain, place = others, "first"
        else:
            chain, place = [choice.endpoint, *([] if choice.only else others)], "ignore" if choice.only else "last"
        changed = with_chain(text, choice.service, chain, place, added) if chain else text
        ConfigurationFile(file, changed)
        if file.parent == state.path:
            state.prepare()
        write_in_one_step(file, changed)
    except ValueError as error:
        raise UsageError(str(error), "mend the file, then repeat the command") from error
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}", "change it where it is made") from error
    done = {"file": str(file), "service": choice.service, "chain": chain, "environment": place}
    return done | {"warning": _warning(state, choice, read)}


def providers(name: str | None) -> list[dict[str, Any]]:
    """The registry's rows, or one of them. Raises NotFoundError."""
    if name is None:
        return [asdict(row) for row in registry().values()]
    found = capabilities_of(name)
    if found.provider not in registry():
        known = ", ".join(sorted(registry()))
        raise NotFoundError(f"no facts are known of {name!r}: it would be asked in plain calls", f"one of {known}")
    return [asdict(found)]


async def check(state: StateDir, service: str) -> dict[str, Any]:
    """Try each endpoint of the chain. Raises NotFoundError where no endpoint is configured."""
    found = _load(state, service)
    if found is None:
        raise NotFoundError("no model server is configured", f"opswire inference use ollama, or see {HOW_TO}")
    return {"service": service, "endpoints": [await _try(endpoint) for endpoint in found.chain]}


async def _try(endpoint: Endpoint) -> dict[str, Any]:
    """Health and a first word, then whether a schema binds; `problem` and `advice` where something is wrong."""
    from opswire.chassis.errors import OpswireError

    client = InferenceClient("check", lambda: InferenceConfiguration((endpoint,)), Metrics())
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    found: dict[str, Any] = {"endpoint": endpoint.name, "provider": endpoint.provider, "base_url": endpoint.shown_url}
    found |= {"model": endpoint.model, "ok": False, "latency_ms": None, "schema": None}
    try:
        found["healthy"] = await client.is_healthy()
        started_ns = time.monotonic_ns()
        reply = await client.complete(_call(endpoint, "Say yes."))
        found |= {"latency_ms": round((time.monotonic_ns() - started_ns) / 1e6, 1), "answered_by": reply.model}
        found |= {"usage": asdict(reply.usage), "cost_usd": reply.cost_usd}
        if known.structured_output is not StructuredOutput.NONE:
            found["schema"] = await _binds(client, endpoint)
        found["ok"] = found["schema"] in (None, "binds")
        if not found["ok"]:
            found |= {"problem": f"a schema does not bind the reply: {found['schema']}", "advice": _SCHEMA_ADVICE}
    except OpswireError as error:
        cause = getattr(error, "cause", error.code)
        found |= {"problem": str(error), "cause": cause, "advice": _advice(endpoint, cause)}
    finally:
        await client.close()
    return found


async def _binds(client: InferenceClient, endpoint: Endpoint) -> str:
    from opswire.chassis.inference.errors import ReplyInvalidError

    def decode(reply: bytes) -> str:
        if reply.replace(b" ", b"") != b'{"answer":"yes"}':
            raise ValueError("it is something else")
        return "binds"

    schema = OutputSchema("check", _SCHEMA, decode)
    try:
        return (await client.decide(_call(endpoint, "Is water wet?"), schema)).value
    except ReplyInvalidError as error:
        return str(error)


_SCHEMA_ADVICE = (
    'vLLM: start it with --structured-outputs-config \'{"backend": "xgrammar", "disable_any_whitespace": true}\'; '
    "a server that cannot: provider openai_compatible"
)


def _call(endpoint: Endpoint, text: str) -> InferenceCall:
    deadline_ns = time.time_ns() + int(CHECK_TIMEOUT_S * 1e9)
    return InferenceCall("check", (Message("user", text),), deadline_ns, min(32, endpoint.max_tokens), Lane.INTERACTIVE)


def _advice(endpoint: Endpoint, cause: str) -> str:
    if cause == "connect":
        starts = {"vllm": "opswire up --model vllm-cpu, or the server of deploy/vllm", "ollama": "ollama serve"}
        return f"start it ({starts.get(endpoint.provider, 'its own way')}), or correct its base_url"
    advice = {
        "credentials": "api_key of this endpoint: env:NAME or file:PATH",
        "not_found": f"the server must have {endpoint.model!r} (ollama pull; --served-model-name); correct base_url",
        "timeout": f"timeout_s (now {endpoint.timeout_s:g}), or a smaller model",
        "not_installed": "install the chassis with its extra `inference`",
        "rate_limited": "again in a while, or another provider: opswire inference use",
    }
    return advice.get(cause, "the server's own log says more")


def _load(state: StateDir, service: str) -> InferenceConfiguration | None:
    try:
        return load_configuration(service, file_of(state), environment_of(state))
    except ValueError as error:
        raise UsageError(str(error), HOW_TO) from error


def _added(read: ConfigurationFile, choice: Choice, file: Path) -> dict[str, Any]:
    """The new endpoint, where the name is none of the file's but a provider's."""
    name, known = choice.endpoint, capabilities_of(choice.endpoint)
    if name == ENVIRONMENT:
        if choice.only or choice.model or choice.base_url:
            raise UsageError(f"{ENVIRONMENT!r} stands for LLM_* of the services' processes", "leave the options out")
        return {}
    if name in read.endpoints:
        if choice.model or choice.base_url:
            raise UsageError(f"endpoint {name!r} is in {file} already", "change its model or base_url in the file")
        return {}
    if known.provider not in registry():
        there = ", ".join(read.endpoints) or "none"
        raise NotFoundError(
            f"{name!r} is neither an endpoint of {file} ({there}) nor a known provider", "opswire inference providers"
        )
    needed = [
        option
        for option, given, usual in (
            ("--model", choice.model, known.model_default),
            ("--base-url", choice.base_url, None if "{" in (known.base_url or "{") else known.base_url),
        )
        if given is None and usual is None
    ]
    if needed:
        raise UsageError(f"{known.title} needs {' and '.join(needed)}", HOW_TO)
    settings = {"provider": known.provider, "base_url": choice.base_url, "model": choice.model or known.model_default}
    return {name: {key: value for key, value in settings.items() if value is not None}}


def _warning(state: StateDir, choice: Choice, before: ConfigurationFile) -> str | None:
    """What keeps the switch from working as it is seen from here."""
    if choice.service is None and (own := before.own_chains()):
        places = ", ".join(f"{service} ({where})" for service, where in own.items())
        return f"these have a chain of their own and stay as they are: {places}; --service switches one"
    try:
        load_configuration(choice.service or "intent", file_of(state), environment_of(state))
    except ValueError as error:
        return f"{error}; a running service keeps what it has until that is mended"
    return None


def _endpoint(endpoint: Endpoint, origins: Mapping[str, str]) -> dict[str, Any]:
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    settings: dict[str, Any] = {}
    for name in type(endpoint).model_fields:
        value = getattr(endpoint, name)
        if name == "name" or (name not in SHOWN and name not in origins):
            continue
        if name == "api_key":
            value = None if value is None else "set"
        settings[name] = {"value": value, "from": origins.get(name, "default")}
    return {"endpoint": endpoint.name, "settings": settings, "capabilities": _capabilities(known)}


def _capabilities(known: Capabilities) -> dict[str, Any]:
    return {
        "provider": known.provider,
        "structured_output": known.structured_output,
        "batch": known.batch,
        "prompt_caching": known.prompt_caching,
        "cache_tokens_min": known.cache_tokens_min,
        "takes_priority": known.takes_priority,
        "reports_timing": known.reports_timing,
        "as_of": known.as_of,
    }
