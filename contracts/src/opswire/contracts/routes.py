"""The one table of who sends what to whom. Streams, consumers, docs/flow.md and docs/asyncapi.json follow from it."""

from __future__ import annotations

from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.audit_recorded import AuditRecorded
from opswire.contracts.basis_changed import BasisChanged
from opswire.contracts.cache_keys_asked import CacheKeysAsked
from opswire.contracts.cache_keys_told import CacheKeysTold
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.deadlines_due import DeadlinesDue
from opswire.contracts.holder_changed import HolderChanged
from opswire.contracts.holder_reported import HolderReported
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged
from opswire.contracts.lock_changed import LockChanged
from opswire.contracts.message_parked import MessageParked
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.contracts.route import Consumer, Route
from opswire.contracts.step_claimed import StepClaimed
from opswire.contracts.step_finished import StepFinished

FACTS = "OPSWIRE_FACTS"
PROGRESS = "OPSWIRE_PROGRESS"
CHANGES = "OPSWIRE_CHANGES"
PARKED = "OPSWIRE_PARKED"
TIMERS = "OPSWIRE_TIMERS"
LOCKS = "OPSWIRE_LOCKS"
AUDIT = "OPSWIRE_AUDIT"
OUTPUTS = "opswire_outputs"
"""The bucket of the object store that holds what no message can; its stream is `OBJ_opswire_outputs`."""
NOT_STORED = "(not stored)"
"""No stream: the message reaches whoever listens at that moment, and may be lost."""

_HOLDERS = ("intent", "assets", "executor", "cache")
"""The services whose processes cache."""
_REQUEST = "opswire.v1.{source}.{request_id}"

REQUEST_SUBMITTED = Route(
    RequestSubmitted,
    f"{_REQUEST}.submitted",
    FACTS,
    senders=("upstream",),
    consumers=(Consumer("intent", "intent-request-submitted"),),
    once=True,
)
INTENT_RESOLVED = Route(
    IntentResolved,
    f"{_REQUEST}.intent",
    FACTS,
    senders=("intent",),
    consumers=(Consumer("assets", "assets-intent-resolved"),),
    once=True,
)
CONTEXT_RESOLVED = Route(
    ContextResolved,
    f"{_REQUEST}.context",
    FACTS,
    senders=("assets",),
    consumers=(Consumer("executor", "executor-context-resolved"),),
    once=True,
)
PLAN_MADE = Route(PlanMade, f"{_REQUEST}.plan", FACTS, senders=("executor",), once=True)
APPROVAL_REQUESTED = Route(
    ApprovalRequested,
    f"{_REQUEST}.approval.{{round}}.requested",
    FACTS,
    senders=("executor",),
    once=True,
    watchers=("person", "executor"),
)
APPROVAL_GIVEN = Route(
    ApprovalGiven,
    f"{_REQUEST}.approval.{{round}}.given.{{approver}}",
    FACTS,
    senders=("person",),
    consumers=(Consumer("executor", "executor-approval-given"),),
    once=True,
)
APPROVAL_DECIDED = Route(
    ApprovalDecided,
    f"{_REQUEST}.approval.{{round}}.decided",
    FACTS,
    senders=("executor",),
    once=True,
    watchers=("person", "executor"),
)
STEP_CLAIMED = Route(StepClaimed, f"{_REQUEST}.step.{{number}}.claimed", FACTS, senders=("executor",), once=True)
STEP_FINISHED = Route(StepFinished, f"{_REQUEST}.step.{{number}}.outcome", FACTS, senders=("executor",), once=True)
CANCELLATION_REQUESTED = Route(
    CancellationRequested,
    f"{_REQUEST}.cancel",
    FACTS,
    senders=("upstream",),
    consumers=(Consumer("executor", "executor-cancellation-requested"),),
    once=True,
    watchers=("executor",),
)
RESOLUTION_RECORDED = Route(
    ResolutionRecorded,
    f"{_REQUEST}.step.{{number}}.resolved.{{approver}}",
    FACTS,
    senders=("person",),
    consumers=(Consumer("executor", "executor-resolution-recorded"),),
    once=True,
)
REQUEST_FINISHED = Route(
    RequestFinished,
    f"{_REQUEST}.finished",
    FACTS,
    senders=("intent", "assets", "executor"),
    once=True,
    ends_request=True,
    watchers=("upstream",),
)
PROGRESS_REPORTED = Route(
    ProgressReported,
    "opswire.progress.v1.{source}.{request_id}",
    PROGRESS,
    senders=("intent", "assets", "executor"),
    watchers=("upstream",),
)
ASSET_CHANGED = Route(
    AssetChanged,
    "opswire.changes.v1.asset.{asset_id}",
    CHANGES,
    senders=("assets",),
    consumers=(Consumer("cache", "cache-asset-changed"),),
    watchers=("executor",),
)
BASIS_CHANGED = Route(
    BasisChanged,
    "opswire.changes.v1.basis",
    CHANGES,
    senders=("executor", "cache"),
    consumers=(Consumer("cache", "cache-basis-changed"),),
)
CACHES_INVALIDATED = Route(
    CachesInvalidated,
    "opswire.changes.v1.invalidated",
    CHANGES,
    senders=_HOLDERS,
    watchers=_HOLDERS,
)
MODE_CHANGED = Route(
    ModeChanged, "opswire.changes.v1.mode", CHANGES, senders=("person",), watchers=("executor", "person")
)
LOCK_CHANGED = Route(
    LockChanged, "opswire.locks.v1.asset.{asset_id}", LOCKS, senders=("executor",), watchers=("executor",)
)
HOLDER_CHANGED = Route(
    HolderChanged, "opswire.changes.v1.holder.{holder_id}", CHANGES, senders=_HOLDERS, watchers=_HOLDERS
)
HOLDER_REPORTED = Route(HolderReported, "opswire.caches.v1.reported", NOT_STORED, senders=_HOLDERS, watchers=("cache",))
INVALIDATION_ACKNOWLEDGED = Route(
    InvalidationAcknowledged,
    "opswire.caches.v1.acknowledged.{nonce}",
    NOT_STORED,
    senders=("cache",),
    watchers=("cache", "executor"),
)
CACHE_STATISTICS_REPORTED = Route(
    CacheStatisticsReported,
    "opswire.caches.v1.statistics.{holder_id}",
    NOT_STORED,
    senders=_HOLDERS,
    watchers=("cache",),
)
CACHE_KEYS_ASKED = Route(
    CacheKeysAsked, "opswire.caches.v1.keys_asked", NOT_STORED, senders=("cache",), watchers=_HOLDERS
)
CACHE_KEYS_TOLD = Route(
    CacheKeysTold, "opswire.caches.v1.keys_told.{query_id}", NOT_STORED, senders=_HOLDERS, watchers=("cache",)
)
MESSAGE_PARKED = Route(
    MessageParked, "opswire.parked.v1.{service}.{parked_id}", PARKED, senders=("intent", "assets", "executor", "cache")
)
AUDIT_RECORDED = Route(
    AuditRecorded, "opswire.audit.v1.records", AUDIT, senders=("executor",), watchers=("executor", "person")
)
DEADLINES_DUE = Route(
    DeadlinesDue,
    "opswire.timers.v1.{due_s}.due",
    TIMERS,
    senders=("intent", "executor"),
    consumers=(Consumer("executor", "executor-deadlines-due"),),
)
DEADLINE_SCHEDULE_WILDCARD = "opswire.timers.v1.*.schedule"

ROUTES: tuple[Route, ...] = (
    REQUEST_SUBMITTED,
    INTENT_RESOLVED,
    CONTEXT_RESOLVED,
    PLAN_MADE,
    APPROVAL_REQUESTED,
    APPROVAL_GIVEN,
    APPROVAL_DECIDED,
    STEP_CLAIMED,
    STEP_FINISHED,
    CANCELLATION_REQUESTED,
    RESOLUTION_RECORDED,
    REQUEST_FINISHED,
    PROGRESS_REPORTED,
    ASSET_CHANGED,
    BASIS_CHANGED,
    CACHES_INVALIDATED,
    MODE_CHANGED,
    LOCK_CHANGED,
    HOLDER_CHANGED,
    HOLDER_REPORTED,
    INVALIDATION_ACKNOWLEDGED,
    CACHE_STATISTICS_REPORTED,
    CACHE_KEYS_ASKED,
    CACHE_KEYS_TOLD,
    MESSAGE_PARKED,
    AUDIT_RECORDED,
    DEADLINES_DUE,
)


def schedule_subject(due_s: int) -> str:
    """Where the broker's tick for a second (since 1970) is scheduled."""
    return f"opswire.timers.v1.{due_s}.schedule"
