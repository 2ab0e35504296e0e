"""Without the collector nothing of an account stays behind, however its spans hang together."""

from __future__ import annotations

import gc

from opswire.ledger.account import account
from opswire.ledger.graph import Node
from opswire.ledger.pausing import collections_paused
from opswire.ledger.testing import broken_spans, damaged_spans


def nodes_alive() -> int:
    return sum(isinstance(one, Node) for one in gc.get_objects())


def test_no_node_outlives_its_account_although_nothing_is_collected() -> None:
    gc.collect()
    before = nodes_alive()
    with collections_paused():
        assert not gc.isenabled()
        for seed in range(200):
            account("cli/r1", broken_spans(seed) if seed % 2 else damaged_spans(seed))
        assert nodes_alive() == before
    assert gc.isenabled()
