"""`opswire doctor --gpu`, without a GPU: a script named nvidia-smi stands in for the driver's, a process on the PATH.

What the script prints has the form of the real one; that the real one was asked is not shown here. The model server is
a small HTTP server that answers in vLLM 0.32's shapes; tests/vllm looks at the real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opswire.cli.testing import CommandLine, Result

GOOD = "0, NVIDIA L4, 580.95.05, 23034, 1, 8.9"
METRICS = 'vllm:cache_config_info{enable_prefix_caching="True",engine="0"} 1.0\n'
CONFIG = {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 3584}
SHARED_FLAGS = Path(__file__).parents[2] / "deploy" / "vllm" / "shared-flags.yaml"


class Doctor:
    """The command on a machine of which the test decides what nvidia-smi says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        path = f"{folder / 'bin'}:/usr/bin:/bin"
        leave = {name: "" for name in os.environ if name.startswith(("LLM_", "HF_", "OPSWIRE_VLLM_"))}
        # Nothing listens on port 9 of this machine.
        self.command = CommandLine(
            folder / "state", leave | {"PATH": path, "HOME": str(folder), "LLM_BASE_URL": "http://127.0.0.1:9/v1"}
        )

    def nvidia_smi(self, prints: str, status: int = 0) -> None:
        """What the driver's program says from now on."""
        program = self.folder / "bin" / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\nexit {status}\n", encoding="utf-8")
        program.chmod(0o755)

    def run(self, **environment: str) -> Result:
        """`opswire doctor --gpu --json`."""
        self.command.environment |= environment
        result = self.command.run("doctor", "--gpu", "--json")
        assert "Traceback" not in result.err, result.err
        assert result.status == (0 if result.json["healthy"] else 7)
        return result

    def finding(self, check: str, **environment: str) -> dict[str, str]:
        """The one finding of that name."""
        (found,) = [each for each in self.run(**environment).json["findings"] if each["check"] == check]
        return dict(found)


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    return Doctor(tmp_path)


def test_without_a_driver_it_says_what_is_missing_and_what_the_model_would_need(doctor: Doctor) -> None:
    found = {each["check"]: each for each in doctor.run().json["findings"]}
    assert found["gpu"]["verdict"] == "wrong"
    assert "no nvidia-smi" in found["gpu"]["detail"]
    assert "580" in found["gpu"]["advice"]
    assert "weights 5.2 GiB" in found["memory"]["detail"]
    assert found["server"]["verdict"] == "note"


def test_the_findings_are_told_to_people_too(doctor: Doctor) -> None:
    doctor.nvidia_smi(GOOD)
    result = doctor.command.run("doctor", "--gpu")
    assert result.status == 0
    assert "NVIDIA L4" in result.out
    assert "Traceback" not in result.err


def test_a_good_gpu_is_well(doctor: Doctor) -> None:
    doctor.nvidia_smi(GOOD)
    found = {each["check"]: each for each in doctor.run().json["findings"]}
    assert {name: found[name]["verdict"] for name in ("gpu", "driver", "compute", "memory", "free")} == dict.fromkeys(
        ("gpu", "driver", "compute", "memory", "free"), "ok"
    )
    # 23,034 MiB x 0.9 - 5.57 GB - 2 GiB, over 2 x 28 layers x 4 heads x 128 x 2 bytes.
    assert "244,491 tokens" in found["memory"]["detail"]
    assert "56 KiB" in found["memory"]["detail"]


def test_an_old_driver_is_named_with_the_one_that_is_needed(doctor: Doctor) -> None:
    doctor.nvidia_smi(GOOD.replace("580.95.05", "535.183.01"))
    found = doctor.finding("driver")
    assert found["verdict"] == "wrong"
    assert "535.183.01" in found["detail"]
    assert "580" in found["advice"]


@pytest.mark.parametrize(
    ("memory_mib", "verdict", "says"),
    [("8192", "wrong", "would not start"), ("9300", "wrong", "MAX_MODEL_LEN=1"), ("11264", "note", "calls of 1,024")],
)
def test_memory_is_computed_against_the_model(doctor: Doctor, memory_mib: str, verdict: str, says: str) -> None:
    doctor.nvidia_smi(GOOD.replace("23034", memory_mib))
    found = doctor.finding("memory", OPSWIRE_VLLM_MAX_MODEL_LEN="32768" if memory_mib == "9300" else "8192")
    assert found["verdict"] == verdict
    assert says in found["detail"] + found["advice"]


def test_memory_that_others_hold_is_missed_at_the_start(doctor: Doctor) -> None:
    doctor.nvidia_smi(GOOD.replace(", 1, ", ", 9000, "))
    found = doctor.finding("free")
    assert found["verdict"] == "wrong"
    assert "OPSWIRE_VLLM_GPU_MEMORY_UTILIZATION=0.5" in found["advice"]


def test_a_gpu_that_is_too_old_is_refused(doctor: Doctor) -> None:
    doctor.nvidia_smi(GOOD.replace("8.9", "6.1"))
    assert doctor.finding("compute")["verdict"] == "wrong"


@pytest.mark.parametrize(
    ("prints", "status", "says"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "communicate"),
        ("No devices were found", 0, "shows no GPU"),
        ("", 0, "shows no GPU"),
    ],
)
def test_a_broken_driver_is_a_finding(doctor: Doctor, prints: str, status: int, says: str) -> None:
    doctor.nvidia_smi(prints, status)
    found = doctor.finding("gpu")
    assert found["verdict"] == "wrong"
    assert says in found["detail"]


def test_a_gpu_that_does_not_say_its_memory_is_no_failure(doctor: Doctor) -> None:
    """Machines where GPU and CPU share their memory answer [N/A]."""
    doctor.nvidia_smi("0, NVIDIA GB10, 580.95.05, [N/A], [N/A], 12.1")
    assert doctor.finding("memory")["verdict"] == "note"


def test_another_model_is_measured_by_its_files(doctor: Doctor) -> None:
    folder = doctor.folder / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    with (folder / "model.safetensors").open("wb") as weights:
        weights.truncate(15_230_000_000)
    doctor.nvidia_smi(GOOD)
    found = doctor.finding("memory", OPSWIRE_VLLM_MODEL=str(folder))
    assert "weights 14.2 GiB" in found["detail"]
    assert "56 KiB" in found["detail"]
    assert found["verdict"] == "ok"
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert doctor.finding("settings")["verdict"] == "wrong"


def test_a_model_that_nobody_knows_is_said_to_be_unknown(doctor: Doctor) -> None:
    doctor.nvidia_smi(GOOD)
    assert doctor.finding("memory", OPSWIRE_VLLM_MODEL="somebody/something")["verdict"] == "note"
    assert doctor.finding("settings", OPSWIRE_VLLM_MAX_MODEL_LEN="many")["verdict"] == "wrong"


def test_an_installed_vllm_is_found_by_its_environment(doctor: Doctor) -> None:
    program = doctor.folder / "bin" / "vllm"
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    python = doctor.folder / "bin" / "python"
    python.write_text("#!/bin/sh\necho 0.11.0\n", encoding="utf-8")
    python.chmod(0o755)
    found = doctor.finding("vllm")
    assert (found["verdict"], found["detail"].split()[0]) == ("note", "0.11.0")
    python.write_text("#!/bin/sh\necho 0.32.0\n", encoding="utf-8")
    assert doctor.finding("vllm")["verdict"] == "ok"


class StandIn:
    """Answers as a vLLM does, with the flags that a test gives it."""

    def __init__(self) -> None:
        self.version, self.metrics, self.key = "0.32.0", METRICS, ""
        self.reply: dict[str, Any] = {
            "choices": [{"message": {"content": '{"state":"well","again":"well"}'}}],
            "metrics": {"queue_time_ms": 0.1},
            "usage": {"prompt_tokens_details": {"cached_tokens": 0}},
        }
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                rows = {"data": [{"id": "Qwen/Qwen2.5-7B-Instruct-AWQ", "max_model_len": 8192}, {"id": "opswire"}]}
                answers: dict[str, Any] = {"/version": {"version": stand_in.version}, "/v1/models": rows}
                self._answer(stand_in.metrics if self.path == "/metrics" else json.dumps(answers.get(self.path)))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(json.dumps(stand_in.reply))

            def _answer(self, text: str) -> None:
                wanted = f"Bearer {stand_in.key}" if stand_in.key and self.path.startswith("/v1") else None
                refused = wanted is not None and self.headers.get("Authorization") != wanted
                content = text.encode()
                self.send_response(401 if refused else 200 if text != "null" else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def vllm() -> Iterator[StandIn]:
    server = StandIn()
    yield server
    server.close()


def of_server(result: Result) -> dict[str, list[str]]:
    """Check to verdicts, of what is said about the server."""
    found: dict[str, list[str]] = {}
    for each in result.json["findings"]:
        found.setdefault(each["check"], []).append(each["verdict"])
    return {name: found[name] for name in ("server", "model", "prefix", "flags", "priority") if name in found}


def test_a_server_with_the_shared_flags_is_well(doctor: Doctor, vllm: StandIn) -> None:
    doctor.nvidia_smi(GOOD.replace(", 1, ", ", 20731, "))
    result = doctor.run(LLM_BASE_URL=vllm.url)
    assert of_server(result) == {
        "server": ["ok"],
        "model": ["ok"],
        "prefix": ["ok"],
        "flags": ["ok", "ok", "ok"],
        "priority": ["note"],
    }
    # The server that runs holds the memory.
    assert result.json["healthy"]


def test_each_missing_flag_is_named(doctor: Doctor, vllm: StandIn) -> None:
    vllm.version, vllm.metrics = "0.20.0", METRICS.replace("True", "False")
    vllm.reply = {"choices": [{"message": {"content": '{"state": "well"  '}}], "metrics": None, "usage": {}}
    found = of_server(doctor.run(LLM_BASE_URL=vllm.url))
    assert found["flags"] == ["wrong", "wrong", "wrong"]
    assert (found["server"], found["prefix"]) == (["note"], ["wrong"])


def test_a_refused_key_is_said_and_never_shown(doctor: Doctor, vllm: StandIn) -> None:
    vllm.key = "right"
    result = doctor.run(LLM_BASE_URL=vllm.url, LLM_API_KEY="secret-that-is-wrong")
    assert of_server(result)["server"] == ["ok", "wrong"]
    assert "secret-that-is-wrong" not in result.out + result.err


@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": None}]}])
def test_an_answer_of_another_form_is_a_finding(doctor: Doctor, vllm: StandIn, reply: dict[str, Any]) -> None:
    vllm.reply = reply
    assert of_server(doctor.run(LLM_BASE_URL=vllm.url))["server"] == ["ok", "wrong"]


def test_what_is_no_vllm_is_called_so(doctor: Doctor, vllm: StandIn) -> None:
    found = doctor.finding("server", LLM_BASE_URL=f"{vllm.url}/other")
    assert "is no vLLM" in found["detail"]
    assert doctor.finding("server", LLM_BASE_URL="ftp://somewhere")["verdict"] == "wrong"


@pytest.mark.parametrize(("flags", "verdict"), [(["--config", str(SHARED_FLAGS)], "ok"), ([], "wrong")])
def test_priority_is_read_from_the_command_line_of_a_server_here(
    doctor: Doctor, vllm: StandIn, flags: list[str], verdict: str
) -> None:
    """A process with the words of a vLLM on its command line, as /proc shows them."""
    program = doctor.folder / "vllm"
    program.write_text("import sys; sys.stdin.read()", encoding="utf-8")
    words = [program, "serve", "any/model", "--port", str(vllm.port), *flags]
    with subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE) as process:
        found = doctor.finding("priority", LLM_BASE_URL=vllm.url)
        process.communicate()
    assert found["verdict"] == verdict
