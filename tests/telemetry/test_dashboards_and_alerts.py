"""Every query of every dashboard and alert against the real metrics of a loaded system, asked of a real Prometheus.

A query that answers nothing shows an empty picture, or an alert that can never fire: a name was changed and nobody was
told. A histogram whose values lie in its last bucket shows a line that says nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from opswire.chassis.testing.histograms import top_heavy
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.system import SERVICES, System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import wait_until
from opswire.ledger.store import create
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families
from prometheus_scene import DEPLOYED, ROOT, LedgerServer, PrometheusServer, RecordedVllm, tool

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs" / "runbooks"
LIMIT = re.compile(r"^(?P<figure>.+) (?P<how>[<>]=?) [0-9.]+$", re.DOTALL)
WINDOW = "5m"
ROUNDS = 3
TEXTS = (
    "what can you do?",
    "book me a table for two",
    "list all servers in production",
    "what's the ip of web-01",
    "restart nothing-of-that-name on nowhere-77",
)
OPINION = {"intent": "service.restart", "entities": [], "confidence": 90, "risk": "MEDIUM", "reason": "clear"}
TIMING = {"queue_time_ms": 1.0, "time_to_first_token_ms": 2.0, "generation_time_ms": 3.0}
INFERENCE = """
endpoints:
  scripted: {{provider: vllm, base_url: "{url}", model: scripted, input_usd_per_million_tokens: 1.0,
             output_usd_per_million_tokens: 4.0}}
default: {{chain: [scripted]}}
"""
ALL_SEEN_TIMEOUT_S = 60.0


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOYED / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def figure_of(alert: dict[str, Any]) -> str:
    """What an alert compares with its limit. It has to be one: anything else could be silent for another reason."""
    found = LIMIT.match(alert["expr"].strip())
    assert found is not None, f"{alert['alert']} is not a figure, a comparison and a number"
    return found["figure"]


def dashboard_queries() -> list[tuple[str, str]]:
    """(where, PromQL) of every target of every panel."""
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                found.append((f"{path.stem}: {panel['title']}", target["expr"]))
    return found


def recorded_queries() -> list[tuple[str, str]]:
    document = yaml.safe_load((DEPLOYED / "recording.yaml").read_text(encoding="utf-8"))
    return [(rule["record"], rule["expr"]) for group in document["groups"] for rule in group["rules"]]


def all_queries() -> list[tuple[str, str]]:
    asked = [(alert["alert"], figure_of(alert)) for alert in alerts()]
    return [(where, query.replace("$__rate_interval", WINDOW)) for where, query in asked + dashboard_queries()]


class LoadedSystem(System):
    """The four services with a canary."""

    def _environment(self, name: str) -> dict[str, str]:
        found = super()._environment(name)
        if name == "cache":
            found |= {"OPSWIRE_ASSETS_URL": self.url("assets"), "OPSWIRE_CANARY_INTERVAL_S": "0.5"}
        return found


@dataclass(frozen=True)
class Scene:
    """All that runs, after the load."""

    system: System
    prometheus: PrometheusServer
    pages: list[str]


async def load(system: System, round_number: int) -> None:
    """Requests of each kind, one that only a model understands, and one message that nobody can handle."""
    async with Upstream(system.nats.url) as upstream:
        for repeated in range(ROUNDS):
            asked = (*TEXTS, f"erfrisch mir doch mal web-0{1 + round_number} bitte {repeated}")
            await asyncio.gather(*[upstream.ask(text) for text in asked])
        subject = f"opswire.v1.test.poison-{round_number}.submitted"
        await upstream.client.jetstream().publish(subject, b"{no json")
        await upstream.outcome(f"poison-{round_number}")


def page(url: str) -> str:
    request = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        text: str = reply.read().decode()
    return text


def wait_scraped(prometheus: PrometheusServer, targets: int) -> None:
    """Until every target was scraped twice more: what was counted before is known."""
    before = prometheus.scrapes()

    def scraped() -> bool:
        now = prometheus.scrapes()
        return len(now) >= targets and all(count >= before.get(name, 0) + 2 for name, count in now.items())

    wait_until(scraped, lambda: f"not scraped: {prometheus.ask('targets')}", ALL_SEEN_TIMEOUT_S)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    tool("prometheus")  # skips before anything is started
    directory = tmp_path_factory.mktemp("observed")
    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel(Answer(json.dumps(OPINION), timing=TIMING)))
        file = directory / "inference.yaml"
        file.write_text(INFERENCE.format(url=model.url), encoding="utf-8")
        system = stack.enter_context(LoadedSystem(directory / "system", {"OPSWIRE_INFERENCE_FILE": str(file)}))
        spans = system.directory / "traces.sqlite3"
        create(spans)
        vllm = stack.enter_context(RecordedVllm())
        ledger = stack.enter_context(LedgerServer(directory / "ledger", spans))
        targets = {f"{name}:8080": system.url(name).removeprefix("http://") for name in SERVICES}
        targets |= {"vllm:8000": vllm.address, "ledger:8080": f"127.0.0.1:{ledger.port}"}
        prometheus = stack.enter_context(PrometheusServer(directory / "prometheus", targets))
        system.import_inventory((ROOT / "tests" / "data" / "inventory.yaml").read_text())
        wait_scraped(prometheus, len(targets))
        asyncio.run(load(system, 1))
        wait_scraped(prometheus, len(targets))
        vllm.go_on()
        asyncio.run(load(system, 2))
        pages = [page(f"{system.url(name)}/metrics") for name in SERVICES]
        yield Scene(system, prometheus, pages)


def test_every_query_answers(scene: Scene) -> None:
    queries = all_queries()
    silent = list(queries)

    def all_answer() -> bool:
        silent[:] = [(where, query) for where, query in silent if not scene.prometheus.values(query)]
        return not silent

    wait_until(all_answer, lambda: "\n".join(f"{where}: {query}" for where, query in silent), ALL_SEEN_TIMEOUT_S)
    assert len(queries) > len(DASHBOARDS) + len(alerts())


def test_an_alert_fires_for_what_is_wrong_and_no_other(scene: Scene) -> None:
    """Two messages lie parked, and nothing else is wrong here."""

    def firing() -> set[str]:
        found = scene.prometheus.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    wait_until(lambda: "OpswireMessagesParked" in firing(), lambda: str(firing()))
    assert firing() <= {"OpswireMessagesParked"}
    parked = "opswire:parked_messages"  # services ask the broker every few seconds
    wait_until(lambda: scene.prometheus.values(parked) == [2.0], lambda: str(scene.prometheus.values(parked)))


def asked_in(runbook: Path) -> list[list[str]]:
    """The queries that a runbook tells to ask, as commands."""
    lines = re.findall(r"^    (promtool query .+)$", runbook.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("runbook", sorted(RUNBOOKS.glob("Opswire*.md")), ids=lambda path: path.stem)
def test_the_queries_of_a_runbook_answer(scene: Scene, runbook: Path) -> None:
    commands = asked_in(runbook)
    assert commands
    for _, *arguments in commands:
        here = [each.replace("127.0.0.1:9090", f"127.0.0.1:{scene.prometheus.port}") for each in arguments]
        assert here != arguments
        wait_until(lambda here=here: "=>" in promtool(*here).stdout, lambda here=here: str(here))  # type: ignore[misc]


def test_no_histogram_sits_in_its_top_bucket(scene: Scene) -> None:
    for text in scene.pages:
        families = list(open_families(text))
        assert sum(family.type == "histogram" for family in families) > 5
        assert top_heavy(families) == []
    asked = set(re.findall(r"(vllm:\w+)_bucket", " ".join(query for _, query in all_queries())))
    recorded = list(plain_families((ROOT / "tests" / "data" / "vllm-metrics" / "after.txt").read_text()))
    assert asked <= {family.name for family in recorded if family.type == "histogram"}
    assert top_heavy(family for family in recorded if family.name in asked) == []


def test_a_histogram_that_sits_in_its_top_bucket_is_found() -> None:
    text = '# TYPE h histogram\nh_bucket{le="1.0"} 3\nh_bucket{le="2.0"} 3\nh_bucket{le="+Inf"} 4\nh_count 4\nh_sum 9\n'
    assert top_heavy(plain_families(text)) == ["h{}: beyond 2"]


def test_a_bucket_leads_to_a_trace(scene: Scene) -> None:
    now = time.time()
    parameters = {"start": str(now - 600), "end": str(now + 60)}

    def traces() -> set[str]:
        found = scene.prometheus.ask("query_exemplars", query="opswire_request_duration_seconds_bucket", **parameters)
        return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}

    wait_until(lambda: len(traces()) > 1, lambda: f"exemplars: {traces()}")
    assert all(re.fullmatch("[0-9a-f]{32}", trace_id) for trace_id in traces())


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [tool("promtool"), *arguments]
    return subprocess.run(command, cwd=DEPLOYED, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yaml"),
        ("check", "rules", "recording.yaml", "alerts.yaml"),
        ("test", "rules", "alerts_test.yaml"),
    ],
    ids=" ".join,
)
def test_prometheus_own_tool_takes_the_rules(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_at_its_limit() -> None:
    text = (DEPLOYED / "alerts_test.yaml").read_text(encoding="utf-8")
    assert [alert["alert"] for alert in alerts() if f'alertname="{alert["alert"]}"' not in text] == []


def test_every_alert_has_a_runbook_with_commands_and_no_runbook_is_left_over() -> None:
    named = {Path(alert["annotations"]["runbook_url"]) for alert in alerts()}
    assert named == {Path("docs/runbooks") / f"{alert['alert']}.md" for alert in alerts()}
    assert {path.name for path in RUNBOOKS.glob("Opswire*.md")} == {path.name for path in named}
    for path in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(r"^    opswire \w", text, re.MULTILINE), path


def test_recorded_figures_are_read_by_somebody() -> None:
    text = " ".join(query for _, query in all_queries())
    assert [name for name, _ in recorded_queries() if name not in text] == []


def test_the_dashboards_are_as_they_would_be_written() -> None:
    command = [sys.executable, str(ROOT / "deploy" / "grafana" / "build.py"), "check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
