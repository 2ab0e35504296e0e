"""Every flag of the deployment is one that the real vLLM takes, and means what the file says: its own parser is asked.

The parser is that of the CPU build, which is the same code; values that only a GPU can use are parsed all the same.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.embedded.vllm_server import VllmInstallation, VllmServer
from opswire.cli.testing import CommandLine

pytestmark = pytest.mark.vllm

FORMS = Path(__file__).parents[1] / "repo" / "model_server_forms.py"
SEEN_ELSEWHERE = {"gpu", "driver", "compute", "memory", "free", "disk", "vllm"}
ASK = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

found = []
for words in json.load(sys.stdin):
    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    try:
        options = parser.parse_args(words)
    except (SystemExit, ValueError) as error:
        found.append({"refused": str(error)})
        continue
    structured = options.structured_outputs_config
    found.append(
        {
            "model": options.model_tag,
            "names": options.served_model_name,
            "policy": str(options.scheduling_policy),
            "backend": [structured.backend, structured.disable_any_whitespace],
            "metrics": options.enable_per_request_metrics,
            "details": options.enable_prompt_tokens_details,
            "prefix": options.enable_prefix_caching,
            "eager": options.enforce_eager,
            "length": options.max_model_len,
            "memory": options.gpu_memory_utilization,
            "queued": options.max_num_queued_reqs,
            "traces": options.otlp_traces_endpoint,
            "quiet": options.disable_access_log_for_endpoints,
        }
    )
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def forms() -> Any:
    spec = importlib.util.spec_from_file_location("model_server_forms", FORMS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parsed(installation: VllmInstallation, lines: list[list[str]]) -> list[dict[str, Any]]:
    """What vLLM's parser makes of each command line."""
    done = subprocess.run(
        [installation.python, "-c", ASK],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index("[{") :])
    return found


def test_vllm_takes_every_flag_of_every_form_and_reads_it_alike(
    vllm_installation: VllmInstallation, forms: Any
) -> None:
    here = str(vllm_installation.shared_flags)
    lines = [
        [word.replace("/etc/opswire/vllm/shared-flags.yaml", here) for word in words]
        for words in forms.commands().values()
    ]
    wrong = [*lines[0], "--enable-per-request-metric-s"]
    *found, refused = parsed(vllm_installation, [*lines, wrong])
    settings = forms.settings()
    assert found == [
        {
            "model": settings["OPSWIRE_VLLM_MODEL"],
            "names": [settings["OPSWIRE_VLLM_MODEL"], "opswire"],
            "policy": "priority",
            "backend": ["xgrammar", True],
            "metrics": True,
            "details": True,
            "prefix": True,
            "eager": False,
            "length": int(settings["OPSWIRE_VLLM_MAX_MODEL_LEN"]),
            "memory": float(settings["OPSWIRE_VLLM_GPU_MEMORY_UTILIZATION"]),
            "queued": 1024,
            "traces": settings["OPSWIRE_VLLM_TRACES_ENDPOINT"],
            "quiet": "/health,/metrics",
        }
    ] * len(lines)
    assert "refused" in refused


def test_the_doctor_sees_the_flags_of_the_server_that_runs(vllm: VllmServer, tmp_path: Path) -> None:
    environment = {"LLM_BASE_URL": vllm.url, "LLM_API_KEY": "", "OPSWIRE_VLLM_MODEL": "another/model"}
    findings = CommandLine(tmp_path, environment).run("doctor", "--gpu", "--json").json["findings"]
    found = [(each["check"], each["verdict"]) for each in findings if each["check"] not in SEEN_ELSEWHERE]
    assert found == [
        ("server", "ok"),
        ("model", "note"),
        ("prefix", "ok"),
        ("flags", "ok"),
        ("flags", "ok"),
        ("flags", "ok"),
        ("priority", "ok"),
    ], findings
