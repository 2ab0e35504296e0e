"""Which things a text asks for, and which changes a plan may hold because of it."""

from __future__ import annotations

import pytest
from model_scene import shop
from opswire.contracts.types import RequesterKind
from opswire.executor.usecases.asked_for import AskedFor

ONE = [
    "why does checkout return 502",
    "is web-01 up and running",
    "is nginx running on web-01 and web-02",
    "show cpu, memory and disk of web-01",
    "restart checkout and storefront on web-01",
    "show the last 20 errors in the log of checkout",
    "can web-01 reach db-01 and db-02",
    "back up orders-db",
    'run "restart; delete and stop" on web-01',
    "list hosts and services in production",
    "why does checkout restart and stop all the time",
]
SEVERAL = {
    "check the disk of web-01 and restart checkout": ["metrics.query", "service.restart"],
    "please restart checkout, then show its log": ["service.restart", "logs.search"],
    "Why is checkout slow? Can you restart it": ["diagnose.issue", "service.restart"],
    "is web-01 up and can it reach db-01": ["status.check", "diagnose.connectivity"],
    "back up orders-db then delete /srv/old": ["data.backup", "data.delete"],
    'in /etc/app.conf replace "a and b" with "c" and restart checkout': ["config.update", "service.restart"],
    "show the load and the logs of web-01": ["metrics.query", "logs.search"],
    "why is it down, do not restart it, what is the status": ["diagnose.issue", "status.check"],
}


@pytest.mark.parametrize("text", ONE)
def test_one_thing_is_one_thing_however_it_is_said(text: str) -> None:
    assert not AskedFor(shop(text=text)).is_composite


@pytest.mark.parametrize("text", list(SEVERAL))
def test_several_things_are_told_clause_by_clause(text: str) -> None:
    found = AskedFor(shop(text=text))
    assert [name.value for name in found.things] == SEVERAL[text]
    assert found.is_composite


@pytest.mark.parametrize(
    ("intent", "by", "permitted"),
    [
        ("service.restart", RequesterKind.HUMAN, ["service.restart"]),
        ("data.delete", RequesterKind.HUMAN, ["service.restart", "data.delete"]),
        ("diagnose.issue", RequesterKind.HUMAN, []),
        ("metrics.query", RequesterKind.HUMAN, []),
        ("service.restart", RequesterKind.SERVICE, []),
        ("data.delete", RequesterKind.SERVICE, []),
    ],
)
def test_a_look_never_grows_into_a_change_and_a_program_names_none(intent: str, by, permitted) -> None:
    found = AskedFor(shop(intent, "check the disk, restart checkout and delete /srv/old", by=by))
    assert [name.value for name in found.changes] == ["service.restart", "data.delete"]
    assert [name.value for name in found.permitted] == permitted
