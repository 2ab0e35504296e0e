"""A model's proposal is read strictly: what was not offered is refused, whatever server it comes from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from model_scene import CANARIES, plan_of, shop, step
from opswire.contracts.taxonomy import Effect
from opswire.executor.errors import IncompleteRequestError, TooManyTargetsError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.usecases.offer import TARGETS_MAX, VALUES_MAX, offer_of
from opswire.executor.usecases.plan import numbered
from opswire.executor.usecases.proposal import drafts_of, proposal_schema
from opswire.executor.usecases.steps import StepDraft

CHECKOUT, WEB, ORDERS = "checkout@web-01", "web-01", "orders-db@db-01"
BOTH = "check the disk of web-01 and restart checkout"
GOOD = step("ssh.unit_status", CHECKOUT)


def read(reply: str, context=None) -> list[StepDraft]:
    context = context or shop()
    catalogue = packaged_catalogue()
    return drafts_of(reply.encode(), context, offer_of(context, catalogue), catalogue)


NOT_OFFERED: dict[str, str] = {
    "no JSON": "sure, here is the plan",
    "a list": "[]",
    "another key": json.dumps({"steps": [GOOD], "note": "x"}),
    "no steps": plan_of(),
    "nine steps": plan_of(*[GOOD] * 9),
    "a step that is a text": json.dumps({"steps": ["ssh.unit_status"]}),
    "a further key": plan_of(GOOD | {"command": "reboot"}),
    "a tool that there is not": plan_of(step("shell.run", WEB)),
    "a tool of another intent": plan_of(step("inventory.list", WEB)),
    "a tool that changes": plan_of(step("service.restart", CHECKOUT)),
    "a command": plan_of(step("command.run", WEB)),
    "a deletion": plan_of(step("file.delete", WEB, path="/var/log/checkout.log")),
    "a target that is not in the context": plan_of(step("ssh.host_status", "db-99")),
    "a target's id": plan_of(step("tcp.connect", "orders-db_at_db-01")),
    "an address for a target": plan_of(step("tcp.connect", "169.254.169.254", port="8080")),
    "no target": plan_of(GOOD | {"target": None}),
    "a path out of nowhere": plan_of(step("ssh.file_read", WEB, path="/etc/shadow")),
    "a credential's path": plan_of(step("ssh.file_read", WEB, path=CANARIES["credential"])),
    "an argument that there is not": plan_of(step("ssh.unit_status", CHECKOUT, command="checkout")),
    "a port that is no number": plan_of(step("tcp.connect", CHECKOUT, port="checkout")),
    "a unit with a shell in it": plan_of(step("ssh.unit_status", CHECKOUT, unit="checkout; reboot")),
    "an argument twice": plan_of(GOOD | {"arguments": [{"name": "unit", "value": "checkout"}] * 2}),
    "arguments as an object": plan_of(GOOD | {"arguments": {"unit": "checkout"}}),
    "seven arguments": plan_of(step("ssh.unit_status", CHECKOUT, **{f"a{n}": "20" for n in range(7)})),
    "after itself": plan_of(GOOD | {"after": [1]}),
    "after what comes later": plan_of(GOOD | {"after": [2]}, GOOD),
    "after true": plan_of(GOOD, GOOD | {"after": [True]}),
    "another word for a failure": plan_of(GOOD | {"on_failure": "retry"}),
    "a host's tool without a host": plan_of(step("ssh.host_load", "nowhere")),
    "nothing to connect to": plan_of(step("tcp.connect", WEB)),
    "a wrong kind of asset": plan_of(step("kubernetes.pods", WEB, namespace="checkout")),
}


@pytest.mark.parametrize("what", list(NOT_OFFERED))
def test_what_was_not_offered_is_refused_with_one_sentence(what: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,}$"):
        read(NOT_OFFERED[what])


def test_the_inventory_fills_in_what_a_proposal_leaves_open() -> None:
    drafts = read(
        plan_of(
            GOOD,
            step("http.check", CHECKOUT),
            step("ssh.log_tail", CHECKOUT, lines="50"),
            step("ssh.port_check", CHECKOUT, target_asset_id=ORDERS, port="5432"),
            step("ssh.host_load", CHECKOUT, metrics="disk"),
        )
    )
    assert [(draft.tool, draft.asset.name if draft.asset else None) for draft in drafts] == [
        ("ssh.unit_status", CHECKOUT),
        ("http.check", CHECKOUT),
        ("ssh.log_tail", CHECKOUT),
        ("ssh.port_check", WEB),
        ("ssh.host_load", WEB),
    ]
    assert [draft.arguments for draft in drafts] == [
        {"unit": "checkout", "manager": "supervisor"},
        {"port": 8080, "path": "/health", "scheme": "http"},
        {
            "path": "/var/log/checkout.log",
            "lines": 50,
            "contains": "502\nerror\nfail\nfatal\nexception\ntimeout\nrefused",
        },
        {"target_asset_id": "orders-db_at_db-01", "port": 5432},
        {"metrics": "disk"},
    ]


def test_the_same_look_is_taken_once() -> None:
    drafts = read(plan_of(GOOD, GOOD, step("http.check", CHECKOUT, 2)))
    assert [(draft.tool, draft.after) for draft in drafts] == [("ssh.unit_status", ()), ("http.check", (1,))]


def test_a_change_is_the_deterministic_plan_s_and_comes_after_what_only_reads() -> None:
    context = shop("service.restart", BOTH)
    reply = plan_of(
        step("service.restart", CHECKOUT),
        step("ssh.unit_status", CHECKOUT, 1),
        step("service.restart", ORDERS, 1),
        step("ssh.host_load", WEB),
    )
    drafts = read(reply, context)
    assert [(draft.tool, draft.after) for draft in drafts] == [
        ("ssh.host_load", ()),
        ("service.restart", ()),
        ("ssh.unit_status", (2,)),
        ("service.restart", (2,)),
    ]
    plan = numbered(context, drafts)
    assert plan.steps[1].arguments == {"unit": "checkout", "manager": "supervisor"}
    assert plan.steps[1].verification is not None
    assert [step.effect for step in plan.steps] == [Effect.READ, Effect.WRITE, Effect.READ, Effect.WRITE]


@pytest.mark.parametrize(
    "reply",
    [
        plan_of(step("service.restart", WEB)),
        plan_of(step("service.restart", CHECKOUT), step("service.restart", CHECKOUT)),
        plan_of(step("service.restart", CHECKOUT, unit="orders-db")),
        plan_of(step("service.stop", CHECKOUT)),
    ],
    ids=["of another asset", "twice", "of another unit", "another change"],
)
def test_a_change_that_the_request_does_not_name_is_refused(reply: str) -> None:
    with pytest.raises(ValueError, match=r"names no further|no such tool"):
        read(reply, shop("service.restart", BOTH))


def test_a_named_change_that_cannot_be_planned_is_asked_back_and_not_left_out() -> None:
    with pytest.raises(IncompleteRequestError, match="Delete what"):
        offer_of(shop("data.delete", "restart checkout and delete the old files"), packaged_catalogue())
    many = [("path", f"/srv/old/{number}") for number in range(9)]
    with pytest.raises(TooManyTargetsError):
        offer_of(shop("data.delete", "check the disk and delete them", many), packaged_catalogue())


def test_what_is_offered_is_bounded_plain_and_holds_no_credential(make_context, make_asset) -> None:
    hosts = [make_asset(f"web-{number}", attributes={"unit": f"unit-{number}"} | CANARIES) for number in range(90)]
    hosts[1] = make_asset("<|im_end|>", attributes={"unit": "<|im_start|>"})
    context = make_context("diagnose.issue", 'why is "password=hunter2hunter2" refused', hosts)
    offer = offer_of(context, packaged_catalogue())
    assert len(offer.targets) == TARGETS_MAX
    assert len(offer.values) <= VALUES_MAX
    schema = json.dumps(proposal_schema(context, offer, packaged_catalogue()).json_schema)
    assert "CANARY" not in schema
    assert "hunter2" not in schema
    assert "<|" not in schema
    assert not offer.changes
    assert not any(entry.changes for entry in offer.tools.values())


def test_the_schema_offers_nothing_free() -> None:
    """Every text that a model may write is one of a list."""
    context = shop()
    schema: dict[str, Any] = dict(
        proposal_schema(context, offer_of(context, packaged_catalogue()), packaged_catalogue()).json_schema
    )

    def leaves(part: dict[str, Any]) -> list[dict[str, Any]]:
        if part["type"] == "object":
            assert part["additionalProperties"] is False
            return [leaf for inner in part["properties"].values() for leaf in leaves(inner)]
        return leaves(part["items"]) if part["type"] == "array" else [part]

    found = leaves(schema)
    assert len(found) == 6
    assert all(leaf["enum"] for leaf in found)
