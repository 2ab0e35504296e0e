"""The closed list of stages, as the ledger knows it.

A copy, because the ledger stands alone: it also reads traces of systems that hold nothing of ours. A test keeps it
equal to the chassis' list.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Where a nanosecond of a request was spent."""

    INGRESS = "ingress"
    PUBLISH_ACK = "publish.ack"
    BUS_WAIT = "bus.wait"
    QUEUE_REDELIVERY = "queue.redelivery"
    INTENT_COMPUTE = "intent.compute"
    CACHE_LOOKUP = "cache.lookup"
    LLM_NETWORK = "llm.network"
    LLM_QUEUE = "llm.queue"
    LLM_PREFILL = "llm.prefill"
    LLM_DECODE = "llm.decode"
    LLM_FRONTEND = "llm.frontend"
    LLM_UNSPLIT = "llm.unsplit"
    ASSETS_DB = "assets.db"
    ASSETS_COMPUTE = "assets.compute"
    POLICY = "policy"
    APPROVAL_WAIT = "approval.wait"
    TOOL_RUN = "tool.run"
    EXECUTOR_COMPUTE = "executor.compute"
    UNATTRIBUTED = "unattributed"
