"""Environments of their own for the caches that ours is printed beside, made on first use; pinned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.inference_peers_setup import _install

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".tools" / "bench-caches"
PACKAGES = {
    "cashews": ("cashews[redis]==7.6.0", "redis[hiredis]<8"),
    "aiocache": ("aiocache[redis]==0.12.3", "redis[hiredis]<8"),
}


def python_of(peer: str) -> str | None:
    """The Python of a peer's environment, made when it is missing; None, and why on standard error, where it cannot."""
    if peer not in PACKAGES:
        return sys.executable
    directory, wanted = ENVIRONMENTS / peer, "\n".join(PACKAGES[peer])
    stamp, python = directory / "packages.stamp", directory / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {', '.join(PACKAGES[peer])} into {directory.relative_to(ROOT)} ...", file=sys.stderr)
        try:
            _install(directory, python, [*PACKAGES[peer], "uvloop"])
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            print(f"{peer} is left out: {said[-1]}", file=sys.stderr)
            return None
        stamp.write_text(wanted)
    return str(python)
