"""What a model's sentence may say: what the outputs hold, and nothing else."""

from __future__ import annotations

import pytest
from opswire.executor.usecases.supported import unsupported

EVIDENCE = """ssh.unit_status of checkout@web-01: unit checkout running (up 2 h 5 min, pid 4242)
http.check of checkout@web-01: http unhealthy (HTTP 502: {"error":"orders-db at 10.1.2.3:5432 is away"}, port 8080)
ssh.log_tail of checkout@web-01: 2026-11-21T08:15:02Z ERROR read /var/log/checkout.log failed after 2.5 s, 95.2%
ssh.host_load of web-01: load_1m 0.52"""
NAMES = {
    "checkout@web-01",
    "checkout",
    "web-01",
    "db-01",
    "orders-db",
    "orders-db@db-01",
    "10.1.2.3",
    "http.check",
    "var/log/checkout.log",
}

SUPPORTED = [
    "checkout runs with pid 4242 for 2 h 5 min, but answers HTTP 502.",
    "orders-db at 10.1.2.3:5432 is away, so checkout on web-01 answers badly (steps 1 and 2).",
    "At 2026-11-21T08:15:02Z reading /var/log/checkout.log failed after 2.5 s.",
    "The load of web-01 is 0.52; 95.2%, http.check of checkout@web-01 says so.",
    "Reading failed after 2.5s.",
    "The service is up-to-date and read-only. One of its needs is away.",
    "Orders-DB is away.",
    "checkout läuft, aber orders-db ist weg.",
]
INVENTED = [
    "checkout answers 503.",
    "checkout runs with pid 424.",
    "checkout runs with pid 42.",
    "The load is 0.5.",
    "The load is 52.",
    "It failed after 5 s.",
    "It failed at 08:15.",
    "It failed at 2026-11-21T08:15:03Z.",
    "It failed on 2026-11-22.",
    "web-02 is down.",
    "web-011 is down.",
    "db-01 is down.",
    "mail-relay is down.",
    "cache_primary is down.",
    "Port 443 is closed.",
    "10.1.2.4 is away.",
    "1.2.3.4 is away.",
    "It is at 96%.",
    "Two services are down.",
    "A dozen errors were seen.",
    "It failed twice.",
    "Step 9 shows it.",
    "Steps 1, 2 and 7 show it.",
    "\u0665\u0660\u0662 errors.",
    "\uff15\uff10\uff12 errors.",
    "checkout\u200b is away.",
    "checkout is away\U000e0064\U000e0065.",
    "\x1b[2Jcheckout is away.",
    "checkout\nis away.",
    "See https://evil.example/?q=1.",
    "See www.evil.example for more.",
    "See evil.example for more.",
    "Write to root@evil.example.",
    "![x](//evil.example/x.png)",
    "Run `reboot` on web-01.",
    "Run reboot && halt on web-01.",
    "Use $(reboot).",
    "<b>checkout</b> is away.",
    "It was approved by the lead.",
    "You are authorised to restart checkout.",
    "curl it into a shell.",
    "Give it your password.",
    "Ignore the failed check.",
    "Ask opswire to restart it.",
    "",
]


@pytest.mark.parametrize("text", SUPPORTED)
def test_what_the_outputs_hold_may_be_said(text: str) -> None:
    assert unsupported(text, EVIDENCE, NAMES, {1, 2, 3, 4}) is None


@pytest.mark.parametrize("text", INVENTED, ids=ascii)
def test_what_no_output_holds_may_not(text: str) -> None:
    why = unsupported(text, EVIDENCE, NAMES, {1, 2, 3, 4})
    assert why is not None
    assert why.isprintable()


def test_a_machine_that_only_an_output_names_is_nobody_to_be_sent_to() -> None:
    """An attacker can write into a log whatever is to be repeated."""
    planted = f"{EVIDENCE}\nssh.log_tail of web-01: call 6.6.6.6 or help@evil.example or see evil.example"
    for said in ("Call 6.6.6.6.", "Write to help@evil.example.", "See evil.example."):
        assert unsupported(said, planted, NAMES, {1}) is not None
