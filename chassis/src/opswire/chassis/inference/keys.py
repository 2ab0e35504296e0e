"""API keys by reference: a configuration names where a key is, and never holds one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opswire.chassis.inference.capabilities import capabilities_of
from pydantic import SecretStr

KEY_BYTES_MAX = 16_384


def key_of(
    values: Mapping[str, Any], origins: Mapping[str, str], environment: Mapping[str, str], folder: Path
) -> tuple[SecretStr | None, Path | None, str]:
    """The key, the file that it was read from, and where it was set; an empty third: none was asked for.

    `env:NAME` and `file:PATH` (from the configuration's folder) are references. LLM_API_KEY may hold the key itself: an
    environment variable is where `env:` would lead. Raises ValueError where a reference leads nowhere; its message
    never holds what was written, which may be a key that was put there by mistake.
    """
    written, origin = values.get("api_key"), origins.get("api_key", "")
    if written is None:
        variable = _usual_variable(values)
        if variable is None or not environment.get(variable):
            return None, None, ""
        return SecretStr(environment[variable].strip()), None, f"{variable}, the usual variable"
    kind, _, name = str(written).strip().partition(":")
    if kind == "env" and name:
        if not environment.get(name, "").strip():
            raise ValueError(f"{origin}: the key's variable {name} is not set")
        return SecretStr(environment[name].strip()), None, f"{origin} (env:{name})"
    if kind == "file" and name:
        path = folder / Path(name).expanduser()
        return _read_key(path, origin), path, f"{origin} (file:{name})"
    if origin.startswith("LLM_"):
        return SecretStr(str(written).strip()), None, origin
    raise ValueError(f"{origin}: api_key must be a reference, env:NAME or file:PATH; never a key itself")


def _usual_variable(values: Mapping[str, Any]) -> str | None:
    """The provider's own variable, but only for the provider's own address: a key must not go to another server."""
    known = capabilities_of(str(values.get("provider", "")))
    own = known.base_url is not None and str(values.get("base_url", "")).rstrip("/") == known.base_url.rstrip("/")
    return known.key_variable if own else None


def _read_key(path: Path, origin: str) -> SecretStr:
    try:
        text = path.read_text(encoding="utf-8")[:KEY_BYTES_MAX].strip()
    except FileNotFoundError as error:
        raise ValueError(f"{origin}: the key file {path} is not there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{origin}: the key file {path} cannot be read") from error
    if not text or "\n" in text:
        raise ValueError(f"{origin}: the key file {path} must hold one line, the key")
    return SecretStr(text)
