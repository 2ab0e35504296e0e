"""What is deployed is what is in the tree: real servers take the configuration files, images name what exists."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from nats.errors import Error as NatsError
from opswire.chassis.broker_keys import connect_options, write_keys
from opswire.chassis.durability import check_durability
from opswire.chassis.embedded.nats_server import NatsServer, nats_binary
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.valkey_server import ValkeyServer, valkey_binary
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.provision import provision
from opswire.chassis.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
NATS_CONF = ROOT / "deploy" / "nats" / "nats.conf"
VALKEY_CONF = ROOT / "deploy" / "valkey" / "valkey.conf"
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
IMAGES = [*(ROOT / "services" / name / "Dockerfile" for name in SERVICES), COMPOSE.parent / "cli.Dockerfile"]


class DeployedNats(NatsServer):
    """The deployed configuration, with this test's ports and folder."""

    def _configuration(self) -> str:
        deployed = NATS_CONF.read_text(encoding="utf-8")
        for old, new in (
            ("listen: 0.0.0.0:4222", f"listen: 127.0.0.1:{self.port}"),
            ("http: 0.0.0.0:8222", f"http: 127.0.0.1:{self.monitor_port}"),
            ('store_dir: "/data"', f'store_dir: "{self.store_dir}"'),
        ):
            assert deployed.count(old) == 1, f"{old!r} is not once in nats.conf"
            deployed = deployed.replace(old, new)
        write_keys(self.store_dir / "keys", ("chat",))
        return f'{deployed}\nports_file_dir: "{self.store_dir / "ports"}"\nlog_file: "{self.log_path}"\n'


class DeployedValkey(ValkeyServer):
    """The deployed configuration, with this test's port and folder."""

    def arguments(self) -> list[str]:
        """The configuration file, then what differs here."""
        here = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.store_dir)]
        return [str(valkey_binary()), str(VALKEY_CONF), *here]


def judged(path: Path) -> subprocess.CompletedProcess[str]:
    """What nats-server says of a configuration, with keys beside it."""
    write_keys(path.parent / "keys", ("chat",), {"dana": public_of(new_seed())})
    return subprocess.run([nats_binary(), "-t", "-c", path], capture_output=True, text=True, timeout=30, check=False)


def test_the_broker_takes_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "nats.conf"
    path.write_text(NATS_CONF.read_text(encoding="utf-8"), encoding="utf-8")
    done = judged(path)
    assert done.returncode == 0, done.stderr


def test_a_broker_with_a_wrong_configuration_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "nats.conf"
    wrong.write_text(NATS_CONF.read_text(encoding="utf-8").replace("sync_interval", "sync_intervall"), encoding="utf-8")
    assert judged(wrong).returncode != 0


def test_the_deployed_broker_is_durable_and_can_be_provisioned(tmp_path: Path) -> None:
    with DeployedNats(tmp_path / "nats", port=free_port()) as server:
        key = connect_options(server.store_dir / "keys" / "administrator.seed")
        report = asyncio.run(provision(server.url, connect_options=key))
        settings = ServiceSettings(nats_url=server.url, nats_monitor_url=server.monitor_url)
        asyncio.run(check_durability(settings))
        with pytest.raises((NatsError, OSError)):
            asyncio.run(provision(server.url))
        assert report.created
        assert not report.updated


def test_the_deployed_cache_forgets_and_stores_nothing(tmp_path: Path) -> None:
    with DeployedValkey(tmp_path / "valkey", port=free_port()) as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lru"
        assert client.config_get("maxmemory")["maxmemory"] == str(256 * 1024 * 1024)
        assert client.config_get("save")["save"] == ""
        client.set("key", "value")
    assert not list((tmp_path / "valkey").glob("*.rdb"))


def wrong_names(dockerfile: str, root: Path) -> Iterator[str]:
    """Paths copied, packages installed and modules run that do not exist."""
    packages = {
        re.search(r'^name = "(.+)"', path.read_text(encoding="utf-8"), re.MULTILINE)[1] for path in _projects(root)
    }  # type: ignore[index]
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        yield from (source for source in sources.split() if not (root / source).exists())
    yield from (name for name in re.findall(r"--package (\S+)", dockerfile) if name not in packages)
    for module in re.findall(r"opswire(?:\.\w+)+", dockerfile):
        path = Path(*module.split("."))
        found = [*root.glob(f"*/src/{path}*"), *root.glob(f"services/*/src/{path}*")]
        if not any(each.suffix == ".py" or (each / "__main__.py").is_file() for each in found):
            yield module


def _projects(root: Path) -> list[Path]:
    return [*root.glob("*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]


@pytest.mark.parametrize("path", IMAGES, ids=[str(path.relative_to(ROOT)) for path in IMAGES])
def test_an_image_names_what_exists_and_is_no_root(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(wrong_names(text, ROOT)) == []
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER opswire\n" in last
    assert "uv sync --locked --no-dev" in text


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_image_runs_the_service_and_says_whether_it_lives(service: str) -> None:
    text = (ROOT / "services" / service / "Dockerfile").read_text(encoding="utf-8")
    assert f"--package opswire-{service} " in text
    assert f'CMD ["python", "-m", "opswire.{service}"]' in text
    assert "HEALTHCHECK" in text
    assert "/health/live" in text


def test_every_workspace_member_is_copied_into_an_image() -> None:
    """uv refuses a lock whose members are not all there."""
    folders = {path.parent.relative_to(ROOT).parts[0] for path in _projects(ROOT)}
    for path in IMAGES:
        copied = set(re.findall(r"^COPY (\w+) \1$", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert copied == folders, path


def test_a_wrong_image_is_found() -> None:
    text = 'COPY gone gone\nRUN uv sync --package opswire-gone\nCMD ["python", "-m", "opswire.gone"]\n'
    assert list(wrong_names(text, ROOT)) == ["gone", "opswire-gone", "opswire.gone"]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


def test_the_compose_file_builds_and_mounts_what_exists() -> None:
    parts = compose()["services"]
    assert set(SERVICES) | {"nats", "valkey", "provision"} <= set(parts)
    for name, part in parts.items():
        if "build" in part:
            context = COMPOSE.parent / part["build"]["context"]
            assert (context / part["build"]["dockerfile"]).is_file(), name
        for mount in part.get("volumes", ()):
            if mount.startswith(".."):
                assert (COMPOSE.parent / mount.split(":")[0]).is_file(), mount


def test_every_container_that_connects_has_its_own_key_of_the_broker(tmp_path: Path) -> None:
    write_keys(tmp_path, ())
    parts = compose()["services"]
    wanted = {name: name for name in SERVICES} | {"provision": "administrator", "cli": "operator"}
    for name, role in wanted.items():
        environment = parts[name]["environment"]
        mounted = f"${{OPSWIRE_BROKER_DIR}}/{role}.seed:{environment['OPSWIRE_NATS_SEED_FILE']}:ro"
        assert mounted in parts[name]["volumes"], name
        assert (tmp_path / f"{role}.seed").is_file()
        assert sum(".seed" in mount for mount in parts[name]["volumes"]) == 1, name
    included = re.findall(r'^include "(.+)"$', NATS_CONF.read_text(encoding="utf-8"), re.MULTILINE)
    assert included == ["keys/accounts.conf"]
    assert any(mount.endswith(f"accounts.conf:/etc/nats/{included[0]}:ro") for mount in parts["nats"]["volumes"])


def test_the_compose_file_publishes_ports_on_loopback_only() -> None:
    ports = [port for part in compose()["services"].values() for port in part.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_compose_file_sets_only_settings_that_exist() -> None:
    """A misspelt variable is ignored in silence."""
    known: set[str] = {"OPSWIRE_ASSETS_URL"}
    for path in ROOT.glob("**/src/opswire/*/settings.py"):
        fields = re.findall(r"^    (\w+): ", path.read_text(encoding="utf-8"), re.MULTILINE)
        known |= {f"OPSWIRE_{field.upper()}" for field in fields}
    used = set(re.findall(r"^ +(OPSWIRE_\w+):", COMPOSE.read_text(encoding="utf-8"), re.MULTILINE))
    used |= {name for path in IMAGES for name in re.findall(r"\b(OPSWIRE_\w+)=", path.read_text(encoding="utf-8"))}
    assert used - known == set()


def test_just_needs_no_more_than_a_posix_shell() -> None:
    done = subprocess.run(["sh", "-n", ROOT / "just"], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr
    assert sys.version_info >= (3, 11)


def test_every_service_of_compose_may_write_its_state_directory_and_nothing_else() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ours = {name: one for name, one in services.items() if "services/" in str(one.get("build", ""))}
    assert "executor" in ours
    for name, one in ours.items():
        image = (ROOT / "services" / name / "Dockerfile").read_text()
        state_dir = re.search(r"OPSWIRE_STATE_DIR=(\S+)", image)
        assert state_dir is not None, name
        assert one["read_only"] is True, name
        assert f"{name}:{state_dir[1]}" in one["volumes"], name
        assert "OPSWIRE_STATE_DIR" not in one["environment"], name
