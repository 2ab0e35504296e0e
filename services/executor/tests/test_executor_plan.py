"""What is planned for which context, and how the other requests end."""

from __future__ import annotations

import hashlib
import json

import pytest
from opswire.chassis.errors import OpswireError
from opswire.contracts.findings import AlertSummary
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import FinishStatus
from opswire.executor.errors import (
    IncompleteRequestError,
    NoAutomaticPlanError,
    OutOfScopeError,
    PathRefusedError,
    TooManyTargetsError,
)
from opswire.executor.rules.automatic import AUTOMATIC, CHANGES
from opswire.executor.usecases.plan import PLANNERS, make_plan
from opswire.executor.usecases.words import filter_words

ATTACKS = ("; reboot", "$(reboot)", "`reboot`", "x\nreboot", "-oProxyCommand=reboot", "a\0b", "../../etc/shadow", "*")


@pytest.fixture
def web(make_asset):
    return make_asset("web-01", attributes={"ssh_user": "opswire", "ssh_host_key": "ssh-ed25519 AAAA"})


@pytest.fixture
def db(make_asset):
    return make_asset("db-01", address="10.1.2.4", attributes={"ssh_user": "opswire", "ssh_port": "2222"})


@pytest.fixture
def checkout(make_asset):
    return make_asset(
        "checkout@web-01",
        "service",
        aliases=["checkout"],
        parent="web-01",
        attributes={
            "manager": "supervisor",
            "unit": "checkout",
            "log_path": "/var/log/checkout.log",
            "port": "8080",
            "protocol": "http",
            "health_path": "/health",
        },
    )


def outline(plan):
    return [(step.tool, step.asset_id, dict(step.arguments)) for step in plan.steps]


def test_every_automatic_intent_has_a_planner_and_help_knows_it() -> None:
    assert tuple(PLANNERS) == (*AUTOMATIC, *CHANGES)
    assert all(INTENTS[name].effect is Effect.READ for name in AUTOMATIC)
    assert all(INTENTS[name].effect in (Effect.WRITE, Effect.DESTROY) for name in CHANGES)


@pytest.mark.parametrize("intent", [name.value for name in IntentName])
def test_every_intent_ends_in_a_plan_or_in_one_of_our_errors(make_context, web, intent: str) -> None:
    context = make_context(intent, assets=[web], entities=[("path", "/etc/hostname")])
    name = IntentName(intent)
    if name in AUTOMATIC:
        plan = make_plan(context)
        assert plan.steps
        assert all(step.effect is Effect.READ for step in plan.steps)
        return
    with pytest.raises(OpswireError) as caught:
        make_plan(context)
    assert len(str(caught.value)) > 20
    if name not in CHANGES:
        assert type(caught.value) is (OutOfScopeError if name is IntentName.OUT_OF_SCOPE else NoAutomaticPlanError)


def test_the_endings_have_the_codes_that_senders_see(make_context, web) -> None:
    endings = {}
    for intent in ("service.restart", "out_of_scope", "diagnose.issue", "status.check"):
        assets = [web] if intent == "service.restart" else []
        with pytest.raises(OpswireError) as caught:
            make_plan(make_context(intent, assets=assets))
        endings[intent] = (caught.value.failure.status, caught.value.failure.code)
    assert endings == {
        "service.restart": (FinishStatus.NEEDS_CLARIFICATION, "incomplete_request"),
        "out_of_scope": (FinishStatus.REJECTED, "out_of_scope"),
        "diagnose.issue": (FinishStatus.NEEDS_HUMAN, "no_automatic_plan"),
        "status.check": (FinishStatus.NEEDS_CLARIFICATION, "incomplete_request"),
    }


def test_without_a_plan_the_sentence_says_what_was_understood_and_the_rows_list_the_alerts(make_context, web) -> None:
    alerts = [
        AlertSummary(name="HighLatency", severity="page", labels={"service": "checkout"}, summary="p99 is 4 s"),
        AlertSummary(name="Evil\x1b[2J", summary="; reboot"),
    ]
    with pytest.raises(NoAutomaticPlanError) as caught:
        make_plan(make_context("alerts.list", assets=[web], alerts=alerts))
    assert str(caught.value).startswith("Understood as alerts.list")
    assert "web-01" in str(caught.value)
    assert "2 alerts: HighLatency and Evil\\x1b[2J" in str(caught.value)
    answer = caught.value.answer
    assert answer is not None
    assert answer.columns == ["alert", "status", "severity", "summary", "labels"]
    assert answer.rows == [
        ["HighLatency", "firing", "page", "p99 is 4 s", "service=checkout"],
        ["Evil\\x1b[2J", "firing", None, "; reboot", ""],
    ]


def test_the_same_context_gives_the_same_plan_and_the_digest_is_of_its_canonical_steps(
    make_context, web, checkout
) -> None:
    context = make_context("status.check", assets=[checkout], hosts=[web])
    first, second = make_plan(context), make_plan(context)
    assert first.to_bytes() == second.to_bytes()
    steps = json.loads(first.to_bytes())["steps"]
    canonical = json.dumps(steps, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert first.digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_service_is_checked_by_its_unit_and_its_port(make_context, web, checkout) -> None:
    # The host is named too, but only says where the service is.
    plan = make_plan(make_context("status.check", assets=[checkout, web], entities=[("service", "checkout")]))
    assert outline(plan) == [
        ("ssh.unit_status", checkout.id, {"unit": "checkout", "manager": "supervisor"}),
        ("http.check", checkout.id, {"port": 8080, "path": "/health", "scheme": "http"}),
    ]


def test_a_service_that_the_inventory_does_not_know_is_asked_of_the_named_host(make_context, web) -> None:
    plan = make_plan(make_context("status.check", assets=[web], entities=[("service", "nginx"), ("host", "web-01")]))
    assert outline(plan) == [("ssh.unit_status", "web_01", {"unit": "nginx", "manager": "auto"})]


@pytest.mark.parametrize(
    ("protocol", "tool"),
    [
        ("tls", "tls.inspect"),
        ("tcp", "tcp.connect"),
        ("valkey", "tcp.connect"),
        ("https", "http.check"),
        ("x", "tcp.connect"),
    ],
)
def test_the_probe_follows_the_protocol(make_context, make_asset, protocol: str, tool: str) -> None:
    service = make_asset("x", "service", attributes={"port": "443", "protocol": protocol})
    assert [step.tool for step in make_plan(make_context("status.check", assets=[service])).steps] == [tool]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "1e3", "²", "99999999999999999999999", " 80"])
def test_a_port_that_is_none_is_not_probed(make_context, make_asset, port: str) -> None:
    service = make_asset("x", "service", attributes={"port": port})
    with pytest.raises(NoAutomaticPlanError):
        make_plan(make_context("status.check", assets=[service]))


def test_more_than_32_steps_ask_for_fewer_targets(make_context, make_asset) -> None:
    hosts = [make_asset(f"web-{number}") for number in range(33)]
    with pytest.raises(TooManyTargetsError, match="33 steps"):
        make_plan(make_context("status.check", assets=hosts, selection="filtered"))
    assert len(make_plan(make_context("status.check", assets=hosts[:32])).steps) == 32


def test_a_service_in_a_container_is_looked_at_on_the_host_of_its_chain(make_context, make_asset, web) -> None:
    inner = make_asset("api", "service", parent="pod-7", attributes={"unit": "api", "manager": "supervisor"})
    plan = make_plan(make_context("status.check", assets=[inner], hosts=[web]))
    assert [(step.tool, step.asset_id) for step in plan.steps] == [("ssh.unit_status", "api")]


def test_the_short_form_of_a_hosts_name_is_no_unit(make_context, make_asset) -> None:
    host = make_asset("jenkins.example.com")
    plan = make_plan(make_context("status.check", assets=[host], entities=[("service", "jenkins")]))
    assert [step.tool for step in plan.steps] == ["ssh.host_status"]


def test_metrics_of_the_host_of_a_service_once(make_context, web, checkout) -> None:
    plan = make_plan(make_context("metrics.query", "cpu and disk of checkout", [checkout, web], hosts=[web]))
    assert outline(plan) == [("ssh.host_load", "web_01", {"metrics": "load,disk"})]


@pytest.mark.parametrize(
    ("text", "named", "metrics"),
    [
        ("numbers of web-01", [], "load,memory,disk"),
        ("cpu utilization", ["cpu", "utilization"], "load"),
        ("utilization of web-01", ["utilization"], "load,memory,disk"),
        ("how much RAM", [], "memory"),
        ("uptime", ["uptime"], "uptime"),
        ("free space", [], "disk"),
    ],
)
def test_the_metrics_that_are_asked_for(make_context, web, text: str, named: list[str], metrics: str) -> None:
    plan = make_plan(make_context("metrics.query", text, [web], [("metric", value) for value in named]))
    assert plan.steps[0].arguments == {"metrics": metrics}


def test_a_metric_that_is_not_measured_goes_to_a_person(make_context, web) -> None:
    with pytest.raises(NoAutomaticPlanError, match="request rate is not measured"):
        make_plan(make_context("metrics.query", "request rate", [web], [("metric", "request rate")]))


def test_logs_by_service_or_by_path(make_context, web, checkout) -> None:
    plan = make_plan(
        make_context("logs.search", 'last 20 lines with "timed out"', [checkout], [("count", "20")], hosts=[web])
    )
    assert outline(plan) == [
        ("ssh.log_tail", checkout.id, {"path": "/var/log/checkout.log", "lines": 20, "contains": "timed out"})
    ]
    plan = make_plan(make_context("logs.search", "tail /var/log/error.log", [web], [("path", "/var/log/error.log")]))
    assert outline(plan) == [("ssh.log_tail", "web_01", {"path": "/var/log/error.log", "lines": 50})]
    with pytest.raises(IncompleteRequestError, match="knows no log of web-01"):
        make_plan(make_context("logs.search", "logs", [web]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("show me errors in the checkout log", ["error"]),
        ("warnings and exceptions please", ["warn", "exception"]),
        ("errors with 'connection reset' today", ["connection reset"]),
        ("don't show the host's log", []),
        ("502s on checkout", ["502"]),
        ("the last 500 lines", []),
        ("tail it", []),
        ('find "$(reboot)" and `; reboot`', ["$(reboot)", "; reboot"]),
    ],
)
def test_filter_words(make_context, text: str, words: list[str]) -> None:
    assert filter_words(make_context("logs.search", text)) == words


@pytest.mark.parametrize(("count", "lines"), [("0", 1), ("7", 7), ("last 12", 12), ("1000000000", 500), ("many", 50)])
def test_line_counts_are_bounded(make_context, web, checkout, count: str, lines: int) -> None:
    plan = make_plan(make_context("logs.search", "log", [checkout], [("count", count)], hosts=[web]))
    assert plan.steps[0].arguments["lines"] == lines


def test_files_need_a_path_and_a_host(make_context, web) -> None:
    plan = make_plan(make_context("file.read", assets=[web], entities=[("path", "/etc/../etc/hostname")]))
    assert outline(plan) == [("ssh.file_read", "web_01", {"path": "/etc/hostname"})]
    with pytest.raises(IncompleteRequestError, match="Which file"):
        make_plan(make_context("file.read", assets=[web]))
    with pytest.raises(IncompleteRequestError, match="On which host"):
        make_plan(make_context("file.read", entities=[("path", "/etc/hostname")]))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_in_entities_are_refused(make_context, web, attack: str) -> None:
    with pytest.raises(PathRefusedError):
        make_plan(make_context("file.read", assets=[web], entities=[("path", attack)]))
    with pytest.raises(PathRefusedError):
        make_plan(make_context("logs.search", assets=[web], entities=[("path", attack)]))
    with pytest.raises(IncompleteRequestError, match="not the name of a service"):
        make_plan(make_context("status.check", assets=[web], entities=[("service", attack)]))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_in_the_inventory_are_not_run_either(make_context, make_asset, web, attack: str) -> None:
    service = make_asset("x", "service", parent="web-01", attributes={"unit": attack, "port": "80", "log_path": attack})
    plan = make_plan(make_context("status.check", assets=[service], hosts=[web]))
    assert [step.tool for step in plan.steps] == ["tcp.connect"]
    with pytest.raises(PathRefusedError):
        make_plan(make_context("logs.search", assets=[service], hosts=[web]))


@pytest.mark.parametrize(
    "text",
    [
        "can web-01 reach db-01 on 5432",
        "from web-01 to db-01",
        "connect to db-01 from web-01",
        "between web-01 and db-01",
    ],
)
def test_connections_from_a_named_source(make_context, web, db, text: str) -> None:
    named = [db, web] if text.startswith("connect") else [web, db]
    plan = make_plan(make_context("diagnose.connectivity", text, named, [("port", "5432")]))
    assert outline(plan) == [
        ("ssh.port_check", "web_01", {"target_asset_id": "db_01", "port": 5432}),
        ("tcp.connect", "db_01", {"port": 5432}),
    ]


def test_two_targets_are_not_a_source_and_a_target(make_context, web, db) -> None:
    plan = make_plan(make_context("diagnose.connectivity", "can you reach web-01 and db-01", [web, db]))
    assert outline(plan) == [("tcp.connect", "web_01", {"port": 22}), ("tcp.connect", "db_01", {"port": 2222})]


def test_a_service_reaches_from_its_host(make_context, make_asset, web, checkout) -> None:
    cache = make_asset("orders-cache@db-01", "database", aliases=["orders-cache"], attributes={"port": "6379"})
    plan = make_plan(
        make_context("diagnose.connectivity", "can checkout reach orders-cache", [checkout, cache], hosts=[web])
    )
    assert [(step.tool, step.asset_id) for step in plan.steps] == [
        ("ssh.port_check", "web_01"),
        ("tcp.connect", cache.id),
    ]


def test_certificates_and_names(make_context, make_asset) -> None:
    shop = make_asset("shop.example.com", "service", attributes={"port": "443", "protocol": "https"})
    plan = make_plan(make_context("diagnose.connectivity", "is the certificate of shop.example.com ok", [shop]))
    assert [step.tool for step in plan.steps] == ["tcp.connect", "tls.inspect"]
    plan = make_plan(make_context("diagnose.connectivity", "does shop.example.com resolve?", [shop]))
    assert outline(plan) == [("dns.resolve", shop.id, {"name": "shop.example.com"})]
    plan = make_plan(make_context("diagnose.connectivity", "dns lookup of www.example.org please"))
    assert outline(plan) == [("dns.resolve", None, {"name": "www.example.org"})]


@pytest.mark.parametrize("value", ["169.254.169.254", "evil.example.com", "127.0.0.1", "$(reboot)"])
def test_what_is_not_in_the_inventory_is_not_contacted(make_context, value: str) -> None:
    with pytest.raises(IncompleteRequestError, match="not in the inventory"):
        make_plan(
            make_context("diagnose.connectivity", f"is {value} open on 80", entities=[("host", value), ("port", "80")])
        )


def test_a_service_of_an_unknown_address_asks_for_another(make_context, make_asset) -> None:
    with pytest.raises(IncompleteRequestError, match="knows no address of core"):
        make_plan(make_context("diagnose.connectivity", "ping core", [make_asset("core", "switch", address=None)]))
