"""Which model servers a service asks, in which order: from a file and the environment, switchable while it runs.

The file (`OPSWIRE_INFERENCE_FILE`) names endpoints and chains; the environment's LLM_* variables make the first
endpoint, or change settings of the file's first one. docs/how-to/choose-a-model-server.md shows both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opswire.chassis.inference.capabilities import PLAIN, Capabilities, capabilities_of, registry
from opswire.chassis.inference.configuration_file import (
    ENVIRONMENT,
    FALLBACK,
    SETTINGS,
    ChainInFile,
    ConfigurationFile,
)
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceRefusedError
from opswire.chassis.inference.keys import key_of
from pydantic import ValidationError

FILE_VARIABLE = "OPSWIRE_INFERENCE_FILE"
VARIABLES = {f"LLM_{setting.upper()}": setting for setting in sorted(SETTINGS)}
FALLBACK_VARIABLES = {f"LLM_FALLBACK_{setting.upper()}": setting for setting in sorted(SETTINGS)}
LOOKED_AT_EVERY_S = 1.0
PRICES = (
    "input_usd_per_million_tokens",
    "output_usd_per_million_tokens",
    "cached_input_usd_per_million_tokens",
    "cache_write_usd_per_million_tokens",
)

Origins = dict[str, str]


@dataclass(frozen=True, slots=True)
class InferenceConfiguration:
    """The endpoints of a service, the first one asked first. `origins`: endpoint to setting to where it was set."""

    chain: tuple[Endpoint, ...]
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    chosen_by: str = "given"
    """What decided the order, such as `inference.yaml line 9`."""
    ignored: tuple[str, ...] = ()
    """LLM_* variables that are set and change nothing: foreign, misspelt, or left out by the file."""
    key_files: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Draft:
    """An endpoint before it is checked: each setting with where it comes from."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: Origins = field(default_factory=dict)
    where: str = ""

    def put(self, setting: str, value: Any, origin: str) -> None:
        self.values[setting] = value
        self.origins[setting] = origin


def load_configuration(
    service: str, file: Path | None, environment: Mapping[str, str]
) -> InferenceConfiguration | None:
    """The service's chain; None where neither a file nor the environment names a model server.

    A file that is not there counts as none, so that it can be made later. Raises ValueError, naming file and line or
    the variable, where something is wrong.
    """
    read = _read(file)
    own, own_fallback = _from_environment(environment, VARIABLES), _from_environment(environment, FALLBACK_VARIABLES)
    chain, chosen_by = _chain_of(read, service)
    drafts = [_from_file(read, name) for name in chain.chain] if read else []
    used: set[str] = set()
    if chain.environment != "ignore":
        drafts, used = _joined(drafts, own, own_fallback, chain.environment)
        chosen_by = "the environment" if drafts and drafts[0].name in (ENVIRONMENT, FALLBACK) else chosen_by
    if not drafts:
        _refuse_orphans(own, "LLM_")
        return None
    key_files: list[Path] = []
    endpoints = tuple(_finished(draft, environment, file, key_files) for draft in drafts)
    origins = {draft.name: draft.origins for draft in drafts}
    ignored = tuple(sorted(name for name in environment if name.startswith("LLM_") and name not in used))
    return InferenceConfiguration(endpoints, origins, chosen_by, ignored, tuple(key_files))


def _read(file: Path | None) -> ConfigurationFile | None:
    try:
        return None if file is None else ConfigurationFile.read(file)
    except FileNotFoundError:
        return None


def _chain_of(read: ConfigurationFile | None, service: str) -> tuple[ChainInFile, str]:
    found = None if read is None else read.chain(service)
    # Only here a chain may be empty: everything that is written down has been checked.
    return found or (ChainInFile.model_construct(chain=(), environment="first"), "nothing")


def _from_file(read: ConfigurationFile, name: str) -> _Draft:
    draft = _Draft(name, where=read.where("endpoints", name))
    for setting, value in read.endpoints[name].items():
        draft.put(setting, value, read.where("endpoints", name, setting))
    return draft


def _from_environment(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Setting to value and variable; an empty variable is one that is not set."""
    return {
        setting: (environment[variable], variable)
        for variable, setting in variables.items()
        if environment.get(variable, "").strip()
    }


def _joined(
    drafts: list[_Draft], own: dict[str, tuple[str, str]], fallback: dict[str, tuple[str, str]], place: str
) -> tuple[list[_Draft], set[str]]:
    """The chain with the environment's endpoints in it, and the variables that were used.

    LLM_PROVIDER or LLM_BASE_URL make an endpoint of its own, which takes nothing from the file: a key of one server
    must never reach another. The other variables alone change settings of the file's first endpoint.
    """
    made: list[_Draft] = []
    used: set[str] = set()
    for name, given in ((ENVIRONMENT, own), (FALLBACK, fallback)):
        if "provider" in given or "base_url" in given:
            draft = _Draft(name, where="the environment")
            for setting, (value, variable) in given.items():
                draft.put(setting, value, variable)
                used.add(variable)
            made.append(draft)
        elif given and name is FALLBACK:
            _refuse_orphans(given, "LLM_FALLBACK_")
    if made and made[0].name == ENVIRONMENT:
        return (made + drafts if place == "first" else drafts + made), used
    if drafts and place == "first":
        for setting, (value, variable) in own.items():
            drafts[0].put(setting, value, variable)
            used.add(variable)
    return drafts + made, used


def _refuse_orphans(given: Mapping[str, tuple[str, str]], prefix: str) -> None:
    if given:
        variable = next(iter(given.values()))[1]
        raise ValueError(
            f"{variable} is set, but no model server is named: set {prefix}PROVIDER (one of "
            f"{', '.join(sorted(registry()))}) or {prefix}BASE_URL, or name one in the file {FILE_VARIABLE}"
        )


def _finished(draft: _Draft, environment: Mapping[str, str], file: Path | None, key_files: list[Path]) -> Endpoint:
    _fill_in(draft)
    _check_address(draft)
    values = dict(draft.values)
    folder = file.parent if file is not None else Path()
    key, key_file, origin = key_of(draft.values, draft.origins, environment, folder)
    if origin:
        values["api_key"], draft.origins["api_key"] = key, origin
    if key_file is not None:
        key_files.append(key_file)
    try:
        return Endpoint.model_validate({"name": draft.name, **values})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        setting = str(first["loc"][0]) if first["loc"] else "name"
        where = draft.origins.get(setting, draft.where)
        raise ValueError(f"{where}: {setting} of endpoint {draft.name!r}: {first['msg']}") from error


def _fill_in(draft: _Draft) -> None:
    """Provider, address and model where they are not given and there is one sensible answer."""
    if "provider" not in draft.values:
        draft.put("provider", "openai_compatible", "default: any server of OpenAI's protocol")
    known = capabilities_of(str(draft.values["provider"]))
    provider = known.provider if known is not PLAIN else str(draft.values["provider"]).strip().lower()
    draft.values["provider"] = provider
    for setting, value in (("base_url", known.base_url), ("model", known.model_default)):
        if draft.values.get(setting) is not None:
            continue
        if value is None or "{" in value:
            variable = f"LLM_{'FALLBACK_' if draft.name == FALLBACK else ''}{setting.upper()}"
            shape = f", such as {value}" if value else ""
            raise ValueError(
                f"{draft.where}: endpoint {draft.name!r} has no {setting}, and {provider} has no usual one: "
                f"set {variable if draft.where == 'the environment' else setting}{shape}"
            )
        draft.put(setting, value, f"default of {provider}")
    _fill_in_prices(draft, known)


def _fill_in_prices(draft: _Draft, known: Capabilities) -> None:
    """The registry's prices, for the provider's own address and where none of the four is given."""
    price = known.price_of(str(draft.values["model"]))
    own = str(draft.values["base_url"]).rstrip("/") == (known.base_url or "").rstrip("/")
    if price is None or not own or any(setting in draft.values for setting in PRICES):
        return
    origin = f"{price.source}, {price.as_of}"
    for setting, value in zip(
        PRICES, (price.input_usd, price.output_usd, price.cached_input_usd, price.cache_write_usd), strict=True
    ):
        if value is not None:
            draft.put(setting, value, origin)


def _check_address(draft: _Draft) -> None:
    where = draft.origins.get("base_url", draft.where)
    try:
        parts = urlsplit(str(draft.values["base_url"]))
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{where}: the base_url of endpoint {draft.name!r} is no http:// or https:// address")
    if parts.username or parts.password or parts.query or parts.fragment:
        # It is shown in health answers and spans: what is secret belongs to api_key.
        raise ValueError(f"{where}: the base_url of endpoint {draft.name!r} holds more than an address; use api_key")
    draft.values["base_url"] = str(draft.values["base_url"]).rstrip("/")


class WatchedConfiguration:
    """The configuration as it is now. Looked at once a second at most; a broken file keeps the last good one.

    A service calls it for every model call: without a change that costs about a microsecond, once a second a `stat`.
    """

    def __init__(self, service: str, file: Path | None, environment: Mapping[str, str]) -> None:
        """Reads it once. Raises ValueError where it is wrong from the start."""
        self._service, self._file, self._environment = service, file, dict(environment)
        self._lock = threading.Lock()
        self._error: str | None = None
        self._version = 1
        self._current: InferenceConfiguration | None = None
        # Stamps are taken before reading: a change in between is read once more, never missed.
        self._seen = self._stamps()
        self._current = load_configuration(service, file, self._environment)
        self._seen = self._stamps() | self._seen
        self._looked_s = time.monotonic()

    @property
    def is_configured(self) -> bool:
        """Whether there is any model server to ask at this moment."""
        self.refresh()
        return self._current is not None

    @property
    def version(self) -> int:
        """Grows with every configuration that was taken over."""
        return self._version

    def __call__(self) -> InferenceConfiguration:
        """The configuration now. Raises InferenceRefusedError where none is configured."""
        self.refresh()
        if self._current is None:
            raise InferenceRefusedError("no model server is configured", "unconfigured")
        return self._current

    def refresh(self, at_once: bool = False) -> None:
        """Read the files again when they changed. `at_once` does not wait for the second to pass."""
        now_s = time.monotonic()
        if not at_once and now_s - self._looked_s < LOOKED_AT_EVERY_S:
            return
        with self._lock:
            self._looked_s = now_s
            stamps = self._stamps()
            if stamps != self._seen:
                self._take_over()
                self._seen = {path: stamps.get(path, stamp) for path, stamp in self._stamps().items()}

    def state(self) -> dict[str, Any]:
        """For `/health/ready`: the file, what is wrong with it, and what decided the order. Never a key."""
        return {
            "file": None if self._file is None else str(self._file),
            "file_exists": self._file is not None and self._file.exists(),
            "chosen_by": self._current.chosen_by if self._current else "nothing",
            "version": self._version,
            "error": self._error,
        }

    def _take_over(self) -> None:
        try:
            if self._file is not None and self._current is not None and not self._file.exists():
                raise ValueError(f"{self._file} is gone")
            found = load_configuration(self._service, self._file, self._environment)
            if found is None and self._current is not None:
                raise ValueError(f"{self._file} names no model server any more")
            self._current = found
        except ValueError as error:
            self._error = f"{error}; the configuration before it stays in use"
            return
        self._error = None
        self._version += 1

    def _stamps(self) -> dict[Path, tuple[int, int, int] | None]:
        files = [] if self._file is None else [self._file]
        return {path: _stamp_of(path) for path in (*files, *(self._current.key_files if self._current else ()))}


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
