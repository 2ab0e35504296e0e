"""What a model needs under vLLM, memory and disk: read from its files where they are here, else from a short list."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHE_BYTES_PER_VALUE = 2
"""The KV cache holds 16-bit numbers unless --kv-cache-dtype says otherwise."""
WORKING_BYTES = 2 * 1024**3
"""Assumed for CUDA itself, activations and captured graphs; vLLM measures it at its start and logs it."""


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """Bytes of the weights, and bytes that each token under way takes in the KV cache."""

    model: str
    weights_bytes: int
    cache_bytes_per_token: int
    source: str
    is_here: bool
    """Whether the weights lie on this machine already."""

    def cache_bytes(self, memory_bytes: int, utilization: float) -> int:
        """What is left for the KV cache on a GPU of so many bytes; below zero where not even the weights fit."""
        return int(memory_bytes * utilization) - self.weights_bytes - WORKING_BYTES

    def tokens(self, memory_bytes: int, utilization: float) -> int:
        """How many tokens can be under way at once."""
        return max(0, self.cache_bytes(memory_bytes, utilization)) // self.cache_bytes_per_token


# Files of 4.48 and 1.09 GB; 28 layers, 4 key-value heads of 128 numbers (huggingface.co, read 2026-11-21).
KNOWN: Mapping[str, ModelNeed] = {
    "Qwen/Qwen2.5-7B-Instruct-AWQ": ModelNeed(
        "Qwen/Qwen2.5-7B-Instruct-AWQ", 5_570_000_000, 2 * 28 * 4 * 128 * CACHE_BYTES_PER_VALUE, "known", False
    )
}


def hub_cache(environment: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps what it fetched."""
    if environment.get("HF_HUB_CACHE"):
        return Path(environment["HF_HUB_CACHE"])
    home = environment.get("HF_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".cache" / "huggingface"
    return Path(home) / "hub"


def need_of(model: str, environment: Mapping[str, str]) -> ModelNeed | None:
    """The model's need; None where neither its files nor its figures are known. Raises ValueError on broken files."""
    snapshots = hub_cache(environment) / f"models--{model.replace('/', '--')}" / "snapshots"
    for folder in (Path(model), *(sorted(snapshots.iterdir()) if snapshots.is_dir() else ())):
        weights_bytes = _weights_bytes(folder)
        if weights_bytes and (folder / "config.json").is_file():
            return ModelNeed(model, weights_bytes, _cache_bytes_per_token(folder / "config.json"), str(folder), True)
    return KNOWN.get(model)


def _weights_bytes(folder: Path) -> int:
    for pattern in ("*.safetensors", "*.bin"):
        # A snapshot holds links, and a download that was cut leaves one that leads nowhere.
        found = [path for path in folder.glob(pattern) if path.exists()]
        if found:
            return sum(os.stat(path).st_size for path in found)  # noqa: PTH116  follows the link
    return 0


def _cache_bytes_per_token(path: Path) -> int:
    """Keys and values of every layer. Models that share or compress them need less."""
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = config.get("text_config") or config
        heads = config.get("num_key_value_heads") or config["num_attention_heads"]
        head_size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        return int(2 * config["num_hidden_layers"] * heads * head_size * CACHE_BYTES_PER_VALUE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"{path} does not say how large a model it is: {error}") from error
