"""How the executor's failures are classed: refusals of a request, and failures of one tool.

Either may carry an `answer`: rows that are worth showing although the request did not complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from opswire.chassis.errors import (
    ClarificationError,
    Disposition,
    HumanNeededError,
    OpswireError,
    RejectedError,
)
from opswire.contracts.request_finished import Answer
from opswire.contracts.types import FinishStatus


class ApprovalRequiredError(RejectedError):
    """The request would change something, and nobody can approve it yet."""

    code = "approval_required"


class OutOfScopeError(RejectedError):
    """The request is not about operations."""

    code = "out_of_scope"


class PlanChangedError(RejectedError):
    """The plan is not the one that was hashed, or an asset changed since: nothing of it is run."""

    code = "plan_changed"


class IncompleteRequestError(ClarificationError):
    """The request is understood but lacks something that a plan needs; the sentence says what to add."""

    code = "incomplete_request"


class TooManyTargetsError(ClarificationError):
    """More steps than one plan may hold; the sender must name fewer assets."""

    code = "too_many_targets"


class NoAutomaticPlanError(HumanNeededError):
    """Understood, but no automatic plan is known. `answer` holds the rows that a person needs to go on."""

    code = "no_automatic_plan"

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class ToolError(OpswireError):
    """One tool could not do its work. When every step of a plan failed, `answer` holds a row for each.

    `leaves_unknown`: the tool was begun and its end was not seen, so what it changed nobody knows.
    """

    code = "tool_failed"
    leaves_unknown: ClassVar[bool] = False
    disposition = Disposition.REJECT
    status = FinishStatus.FAILED

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class ToolTimeoutError(ToolError):
    """The step's time ran out before the tool was done."""

    code = "tool_timeout"
    leaves_unknown = True


class HostUnreachableError(ToolError):
    """No connection to the host: refused, no route, or no answer in time."""

    code = "host_unreachable"


class ConnectionBrokenError(HostUnreachableError):
    """The connection to a host ended while a tool was at work there."""

    code = "connection_broken"
    leaves_unknown = True


class EndNotSeenError(ToolError):
    """Something was begun or done, and how it ended was not seen: no answer, one that says nothing, no second look."""

    code = "end_not_seen"
    leaves_unknown = True


class HostKeyUnknownError(ToolError):
    """The inventory holds no usable host key, so the host's identity cannot be checked."""

    code = "host_key_unknown"


class HostKeyMismatchError(ToolError):
    """The host showed another key than the inventory holds."""

    code = "host_key_mismatch"


class LoginRefusedError(ToolError):
    """The host refused our user or key."""

    code = "login_refused"


class CredentialUnusableError(ToolError):
    """The credential reference is missing, leaves its directory, or names no readable key."""

    code = "credential_unusable"


class AddressRefusedError(ToolError):
    """The asset's address is missing or is one that tools never contact."""

    code = "address_refused"


class BadArgumentError(ToolError):
    """An argument is not the plain data that the tool takes."""

    code = "bad_argument"


class PathRefusedError(RejectedError):
    """The path is not one that may be read without an approval."""

    code = "path_refused"


class FileRefusedError(ToolError):
    """The path names something that is not read: a special file, or a link to a place that is not read."""

    code = "file_refused"


class FileUnreadableError(ToolError):
    """The file does not exist or may not be read by our user."""

    code = "file_unreadable"


class FileTooLargeError(ToolError):
    """The file is longer than what one answer takes."""

    code = "file_too_large"


class FileBinaryError(ToolError):
    """The file is not text."""

    code = "file_binary"


class CommandFailedError(ToolError):
    """A command on the host ended in a way that its tool does not expect."""

    code = "command_failed"


class OutputTooLargeError(ToolError):
    """A command printed more than the limit and was ended."""

    code = "output_too_large"
    leaves_unknown = True


class ForwardingRefusedError(ToolError):
    """The source host does not let us open connections from it, so nothing is known about the target."""

    code = "forwarding_refused"


class NameServerError(ToolError):
    """The name server did not answer or could not."""

    code = "dns_unavailable"


class BadCatalogueError(OpswireError):
    """The files of the tool catalogue hold faults: one sentence each, naming file, tool and field."""

    code = "bad_catalogue"
    disposition = Disposition.REJECT
    status = FinishStatus.FAILED

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class UnitNotChangedError(ToolError):
    """The unit did not get into the state that was asked for."""

    code = "unit_not_changed"


class StateChangedError(ToolError):
    """What is to be changed is not as it was when the change was planned; nothing was done."""

    code = "state_changed"


class BackupMissingError(ToolError):
    """The copy that would be put back is not there."""

    code = "backup_missing"


class FileUnwritableError(ToolError):
    """The file could not be written, replaced or removed by our user; it is as it was."""

    code = "file_unwritable"


class QueryRefusedError(ToolError):
    """The database, told that nothing may be written, refused the query; or it is not a query."""

    code = "query_refused"


class QueryFailedError(ToolError):
    """The query is wrong, or the database could not answer it."""

    code = "query_failed"


class DatabaseRefusedError(ToolError):
    """The database or the login is not one that tools use: another engine, or rights beyond reading."""

    code = "database_refused"


class AnswerRefusedError(ToolError):
    """The other side answered with an error, with something unexpected, or with too much."""

    code = "answer_refused"


class StoppedError(ToolError):
    """Executors are stopped just now: no tool is run, and those that looked are ended."""

    code = "mode_refuses"


class LocalRefusedError(ToolError):
    """Programs of the executor's own machine run in the lab alone."""

    code = "local_refused"


class McpRefusedError(ToolError):
    """The MCP server does not offer the tool as the catalogue describes it."""

    code = "mcp_refused"
