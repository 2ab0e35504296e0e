"""Collector, Prometheus and Grafana as deployed: what is named exists, and the ledger sees spans before sampling.

The collector's own `validate` was not run where this was written: no package index within reach has its binary. What is
checked instead is its documented structure: every component that a pipeline names is configured, and the reverse.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from opswire.chassis.metrics_spans import WAIT_BUCKETS_S
from opswire.chassis.stages import Stage
from opswire.cli import ledger_process
from opswire.contracts.routes import ROUTES

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES = {"intent", "assets", "executor", "cache"}
SETTINGS = {
    "otlphttp": {"endpoint", "headers", "sending_queue", "retry_on_failure"},
    "otlp": {"protocols", "endpoint", "tls", "sending_queue", "retry_on_failure"},
    "memory_limiter": {"check_interval", "limit_percentage", "spike_limit_percentage"},
    "batch": {"timeout", "send_batch_size", "send_batch_max_size"},
    "tail_sampling": {"decision_wait", "num_traces", "expected_new_traces_per_sec", "decision_cache", "policies"},
    "spanmetrics": {
        *("namespace", "histogram", "dimensions", "exemplars", "metrics_flush_interval", "metrics_expiration")
    },
    "forward": set(),
    "file": {"path", "format", "rotation"},
    "prometheus": {"endpoint", "enable_open_metrics", "metric_expiration"},
    "health_check": {"endpoint"},
}
"""The settings of each component that are used, as its `config.go` names them (collector-contrib)."""
POLICY = {
    "status_code": {"status_codes"},
    "latency": {"threshold_ms"},
    "numeric_attribute": {"key", "min_value", "max_value"},
    "string_attribute": {"key", "values", "enabled_regex_matching", "cache_max_size"},
    "probabilistic": {"sampling_percentage"},
}
UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def load(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text(encoding="utf-8"))


def collector() -> dict[str, Any]:
    document: dict[str, Any] = load("otel-collector/collector.yaml")
    return document


def loose_ends(document: dict[str, Any]) -> set[str]:
    """Components that a pipeline names and nobody configures, that nobody uses, and settings that nobody knows."""
    found = set()
    pipelines = document["service"]["pipelines"].values()
    kinds = {"receivers": {"connectors"}, "exporters": {"connectors"}, "processors": set()}
    used: set[str] = set(document["service"]["extensions"])
    for kind, others in kinds.items():
        known = {name for each in (kind, *others) for name in document.get(each, {})}
        named = {name for pipeline in pipelines for name in pipeline.get(kind, [])}
        used |= named
        found |= {f"{name} is not configured" for name in named - known}
    for kind in ("receivers", "processors", "exporters", "connectors", "extensions"):
        for name, settings in document[kind].items():
            found |= {f"{name} is not used"} if name not in used else set()
            known_settings = SETTINGS[name.partition("/")[0]]
            found |= {f"{name} knows no {setting}" for setting in set(settings or {}) - known_settings}
    return found


def test_the_collector_uses_what_it_configures_and_nothing_else() -> None:
    assert loose_ends(collector()) == set()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"processors": {"batch": {"timeouts": "1s"}}}, "batch knows no timeouts"),
        ({"connectors": {}}, "spanmetrics is not configured"),
    ],
)
def test_a_wrong_collector_is_found(change: dict[str, Any], found: str) -> None:
    assert found in loose_ends(collector() | change)


def test_the_ledger_and_the_span_metrics_come_before_sampling() -> None:
    pipelines = collector()["service"]["pipelines"]
    everything = pipelines["traces/all"]
    assert not any(name.startswith(("tail_sampling", "probabilistic")) for name in everything["processors"])
    assert {"otlphttp/ledger", "file/ledger", "spanmetrics", "forward/sampled"} == set(everything["exporters"])
    assert pipelines["traces/sampled"]["receivers"] == ["forward/sampled"]
    assert pipelines["traces/sampled"]["processors"][0] == "tail_sampling"


def test_errors_slow_redelivered_and_approvals_are_kept_and_a_twentieth_of_the_rest() -> None:
    policies = collector()["processors"]["tail_sampling"]["policies"]
    for policy in policies:
        assert set(policy) == {"name", "type", policy["type"]}
        assert set(policy[policy["type"]]) <= POLICY[policy["type"]]
    kept = {policy["name"]: policy[policy["type"]] for policy in policies}
    assert kept["errors"] == {"status_codes": ["ERROR"]}
    assert kept["slow"]["threshold_ms"] == 2_000
    assert kept["redelivered"]["min_value"] == 2
    assert kept["approval waited for"] == {"key": "opswire.stage", "values": [Stage.APPROVAL_WAIT]}
    assert kept["of the rest"] == {"sampling_percentage": 5}


def test_the_approvals_that_are_kept_are_ones_that_are_sent() -> None:
    policies = {policy["name"]: policy for policy in collector()["processors"]["tail_sampling"]["policies"]}
    (pattern,) = policies["approval asked for"]["string_attribute"]["values"]
    assert any(re.fullmatch(pattern, route.template) for route in ROUTES)


def seconds(text: str) -> float:
    unit = next(unit for unit in UNITS_S if text.endswith(unit))
    return float(text.removesuffix(unit)) * UNITS_S[unit]


def test_the_collectors_buckets_are_ours() -> None:
    buckets = collector()["connectors"]["spanmetrics"]["histogram"]["explicit"]["buckets"]
    assert [seconds(each) for each in buckets] == pytest.approx(list(WAIT_BUCKETS_S))


def test_every_service_is_scraped_and_named() -> None:
    jobs = {job["job_name"]: job["static_configs"] for job in load("prometheus/prometheus.yaml")["scrape_configs"]}
    assert {group["labels"]["service"] for group in jobs["opswire"]} == SERVICES
    assert {target for group in jobs["opswire"] for target in group["targets"]} == {f"{s}:8080" for s in SERVICES}
    assert jobs["vllm"][0]["targets"] == ["vllm:8000"]
    assert jobs["ledger"][0]["targets"] == ["ledger:8080"]


def test_the_collector_sends_to_the_ledger_where_compose_runs_it() -> None:
    exporter = collector()["exporters"]["otlphttp/ledger"]
    ledger = load("otel-collector/compose.yaml")["services"]["ledger"]
    assert exporter["endpoint"] == f"http://ledger:{ledger['environment']['OPSWIRE_HTTP_PORT']}"
    assert ledger["entrypoint"][-1] == ledger_process.__name__


def test_what_grafana_and_compose_mount_is_there() -> None:
    document = load("otel-collector/compose.yaml")
    for name, service in document["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            there = (DEPLOY / "compose" / source).exists() if source.startswith(".") else source in document["volumes"]
            assert there, f"{name} mounts {source}"
    (provider,) = load("grafana/provisioning/dashboards/opswire.yaml")["providers"]
    assert any(
        volume.endswith(f":{provider['options']['path']}:ro") for volume in document["services"]["grafana"]["volumes"]
    )
    sources = load("grafana/provisioning/datasources/opswire.yaml")["datasources"]
    assert {source["type"] for source in sources} == {"prometheus", "jaeger"}
    (exemplars,) = sources[0]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["datasourceUid"] in {source["uid"] for source in sources}
