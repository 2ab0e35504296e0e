"""The model server's three forms say the same: one file of flags, one of settings, the same command, nothing secret."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from model_server_forms import FOLDER, UNIT, commands, compose, container, documents, kind, settings, shared_flags, unit
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.inference.configuration import load_configuration
from opswire.cli.gpu_checks import Plan
from opswire.cli.server_checks import VLLM_VERSION

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "run-the-model-server.md"
WAIT = FOLDER / "wait_ready.py"
WANTED = {
    "enable-per-request-metrics": True,
    "enable-prompt-tokens-details": True,
    "enable-prefix-caching": True,
    "scheduling-policy": "priority",
}


def flags_of(words: list[str]) -> dict[str, list[str]]:
    """The model and each flag with its values."""
    found: dict[str, list[str]] = {"model": []}
    flag = "model"
    for word in words:
        if word.startswith("--"):
            flag = word.removeprefix("--")
            found[flag] = []
        else:
            found[flag].append(word)
    return found


def test_the_shared_flags_are_those_that_the_client_builds_on() -> None:
    flags = shared_flags()
    assert {name: flags.get(name) for name in WANTED} == WANTED
    assert yaml.safe_load(flags["structured-outputs-config"]) == {"backend": "xgrammar", "disable_any_whitespace": True}


def test_the_three_forms_give_the_same_command() -> None:
    found = {name: flags_of(words) for name, words in commands().items()}
    hosts = {name: flags.pop("host") for name, flags in found.items()}
    assert found["compose"] == found["systemd"] == found["kubernetes"]
    # In a container only its own network sees the address.
    assert hosts == {"compose": ["0.0.0.0"], "systemd": ["127.0.0.1"], "kubernetes": ["0.0.0.0"]}


def test_the_command_has_the_flags_that_are_promised() -> None:
    flags = flags_of(commands()["systemd"])
    model = settings()["OPSWIRE_VLLM_MODEL"]
    assert flags["model"] == [model]
    assert flags["config"] == ["/etc/opswire/vllm/shared-flags.yaml"]
    assert flags["served-model-name"] == [model, "opswire"]
    assert flags["gpu-memory-utilization"] == [settings()["OPSWIRE_VLLM_GPU_MEMORY_UTILIZATION"]]
    assert flags["max-model-len"] == [settings()["OPSWIRE_VLLM_MAX_MODEL_LEN"]]
    assert flags["otlp-traces-endpoint"][0].endswith("/v1/traces")
    assert settings()["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    assert not {"enforce-eager", "api-key"} & {*flags, *shared_flags()}
    assert set(flags) & set(shared_flags()) == set(), "a flag stands in one place"


def test_the_forms_read_the_same_files() -> None:
    assert compose()["env_file"] == "vllm.env"
    mounts = dict(str(mount).split(":")[:2] for mount in compose()["volumes"] if str(mount).startswith("./"))
    assert all((FOLDER / path).is_file() for path in mounts)
    assert mounts["./shared-flags.yaml"] == "/etc/opswire/vllm/shared-flags.yaml"
    assert "\nEnvironmentFile=/etc/opswire/vllm/vllm.env\n" in UNIT.read_text(encoding="utf-8")
    generated = {each["name"]: each for each in documents("kustomization.yaml")[0]["configMapGenerator"]}
    assert generated["opswire-vllm"]["envs"] == ["vllm.env"]
    assert generated["opswire-vllm-flags"]["files"] == ["shared-flags.yaml"]
    assert container()["envFrom"] == [{"configMapRef": {"name": "opswire-vllm"}}]
    volumes = kind("Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "flags", "configMap": {"name": "opswire-vllm-flags"}} in volumes


def test_every_setting_used_is_there_and_every_one_there_is_used() -> None:
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("compose.yaml", "kubernetes.yaml"))
    text += UNIT.read_text(encoding="utf-8")
    used = set(re.findall(r"\$[({](OPSWIRE_VLLM_\w+)", text)) - {"OPSWIRE_VLLM_API_KEY_FILE", "OPSWIRE_VLLM_CACHE_DIR"}
    assert used == {name for name in settings() if name.startswith("OPSWIRE_VLLM_")}


def test_the_doctor_plans_with_the_same_settings() -> None:
    assert Plan.read({}) == Plan.read(settings())


def test_images_are_pinned_to_the_release_that_is_tested() -> None:
    images = [compose()["image"], container()["image"]]
    assert images == [f"vllm/vllm-openai:v{VLLM_VERSION}"] * 2
    assert f"vllm=={VLLM_VERSION}" in HOW_TO.read_text(encoding="utf-8")


SECRET = re.compile(
    r"(?i)(?:key|token|password|secret)[\w-]*[ \t]*[=:][ \t]*[\"']?(?!\$|/|\{|\[|FILE|api-key|opswire|nvidia)\w{6,}"
)


def test_no_secret_is_inside() -> None:
    for path in FOLDER.iterdir():
        if path.is_file():
            assert SECRET.findall(path.read_text(encoding="utf-8")) == [], path.name
    assert SECRET.findall("VLLM_API_KEY=abcdef123456")
    assert SECRET.findall('  api-key: "c2VjcmV0"')
    assert "Secret" not in [each["kind"] for each in documents("kubernetes.yaml")]
    (key,) = [each for each in container()["env"] if each["name"] == "VLLM_API_KEY"]
    assert key["valueFrom"] == {"secretKeyRef": {"name": "opswire-vllm", "key": "api-key"}}
    assert compose()["secrets"] == ["vllm_api_key"]
    assert "\nEnvironmentFile=/etc/opswire/vllm/api-key.env\n" in UNIT.read_text(encoding="utf-8")


def test_no_form_runs_with_more_rights_than_it_needs() -> None:
    part = compose()
    assert (part["user"], part["read_only"], part["cap_drop"]) == ("2000:0", True, ["ALL"])
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["ports"] == ["${OPSWIRE_VLLM_HOST:-127.0.0.1}:8000:8000"]
    assert settings()["OPSWIRE_VLLM_HOST"] == "127.0.0.1"
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(part)
    service = unit()["Service"]
    assert (service["DynamicUser"], service["NoNewPrivileges"], service["CapabilityBoundingSet"]) == ("yes", "yes", "")
    pod = kind("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_has_a_gpu_probes_and_a_place_for_weights() -> None:
    part = container()
    assert part["resources"]["limits"]["nvidia.com/gpu"] == 1
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert part[probe]["httpGet"] == {"path": "/health", "port": "http"}
    startup = part["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 1200
    claims = [
        each for each in kind("Deployment")["spec"]["template"]["spec"]["volumes"] if "persistentVolumeClaim" in each
    ]
    assert claims[0]["persistentVolumeClaim"]["claimName"] == kind("PersistentVolumeClaim")["metadata"]["name"]
    labels = kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert kind("Service")["spec"]["selector"] == labels
    assert kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert kind("NetworkPolicy")["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] for rule in kind("NetworkPolicy")["spec"]["ingress"])


def test_the_unit_waits_for_the_answer_and_its_tools_take_it(tmp_path: Path) -> None:
    """systemd and kubectl look at their files too, where they are installed."""
    service = unit()["Service"]
    timeout_s = float(re.search(r"--timeout (\d+)", service["ExecStartPost"])[1])  # type: ignore[index]
    assert "wait_ready.py" in service["ExecStartPost"]
    assert timeout_s < float(service["TimeoutStartSec"])
    text = UNIT.read_text(encoding="utf-8")
    (tmp_path / UNIT.name).write_text(re.sub(r"/(?:opt/opswire-vllm|usr)/bin/[\w-]+", "/bin/sh", text), "utf-8")
    tools = {
        "systemd-analyze": ["systemd-analyze", "verify", str(tmp_path / UNIT.name)],
        "kubectl": ["kubectl", "kustomize", str(FOLDER)],
    }
    for tool, command in tools.items():
        if shutil.which(tool):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            assert "Unknown" not in done.stderr, done.stderr


@pytest.fixture
def healthy_after_two() -> Iterator[str]:
    """A server whose /health answers 503 twice, then 200."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) > 2 else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def waited(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(WAIT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_waiting_ends_when_the_server_answers(healthy_after_two: str) -> None:
    assert waited("--once", "--url", healthy_after_two).returncode == 1
    done = waited("--url", healthy_after_two, "--timeout", "20")
    assert done.returncode == 0
    assert "/health answers 503" in done.stderr
    assert "ready after" in done.stderr
    assert waited("--once", "--url", healthy_after_two).returncode == 0


def test_waiting_ends_when_the_time_is_over_or_the_process_is_gone() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    late = waited("--url", url, "--timeout", "0")
    assert late.returncode == 1
    assert "opswire doctor --gpu" in late.stderr
    ended = subprocess.Popen(["true"])
    ended.wait(timeout=10)
    assert waited("--url", url, "--process", str(ended.pid)).returncode == 3
    assert waited("--url", "ftp://x").returncode == 2


def test_going_back_to_ollama_is_one_setting() -> None:
    with_vllm = load_configuration("intent", None, {"LLM_PROVIDER": "vllm"})
    with_ollama = load_configuration("intent", None, {"LLM_PROVIDER": "ollama"})
    assert with_vllm is not None
    assert with_ollama is not None
    assert (with_vllm.chain[0].base_url, with_vllm.chain[0].model) == (
        "http://127.0.0.1:8000/v1",
        settings()["OPSWIRE_VLLM_MODEL"],
    )
    assert (with_ollama.chain[0].provider, with_ollama.chain[0].base_url) == ("ollama", "http://127.0.0.1:11434/v1")
