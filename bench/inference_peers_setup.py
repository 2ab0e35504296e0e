"""Environments of their own for the clients that want other versions of the openai SDK than ours, made on first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".tools" / "bench-inference"
PACKAGES = {
    "litellm": ("litellm==1.106.2",),
    "langchain-openai": ("langchain-openai==1.7.3",),
    "instructor": ("instructor==1.17.0",),
}
"""Peer to what is installed for it: pinned, so that figures of two days can be compared."""
SETUP_TIMEOUT_S = 300


def python_of(peer: str) -> str | None:
    """The Python of a peer's environment, made when it is missing; None, and why on standard error, where it cannot."""
    if peer not in PACKAGES:
        return sys.executable
    directory = ENVIRONMENTS / peer
    wanted = "\n".join(PACKAGES[peer])
    stamp = directory / "packages.stamp"
    python = directory / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {', '.join(PACKAGES[peer])} into {directory.relative_to(ROOT)} ...", file=sys.stderr)
        try:
            _install(directory, python, [*PACKAGES[peer], "uvloop"])
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            print(f"{peer} is left out: {said.strip().splitlines()[-1]}", file=sys.stderr)
            return None
        stamp.write_text(wanted)
    return str(python)


def _install(directory: Path, python: Path, packages: list[str]) -> None:
    uv = shutil.which(
        "uv", path=f"{ROOT / '.tools' / 'uv' / 'bin'}:{Path.home() / '.local' / 'bin'}:{os.environ['PATH']}"
    )
    if uv:
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(directory)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *packages])
    else:
        _run([getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", str(directory)])
        _run([str(python), "-m", "pip", "install", "--quiet", *packages])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SETUP_TIMEOUT_S)
