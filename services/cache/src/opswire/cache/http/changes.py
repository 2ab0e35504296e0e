"""Told over HTTP that something changed that answers rest on and no service of ours keeps.

POST /cache/changed                {"kind": "knowledge", "names": [...], "version": "..."}
"""

from __future__ import annotations

from opswire.cache.adapters.basis_changes import BasisChanges
from opswire.cache.http.models import ChangedBody, InvalidateAnswer
from opswire.cache.http.operations import Operation, answer, model_of
from opswire.cache.http.shown import invalidation_shown
from opswire.contracts.basis_changed import BasisKind
from opswire.contracts.caches_invalidated.tags import tags_of_basis
from starlette.requests import Request
from starlette.responses import Response


class ChangesApi:
    """The handlers."""

    def __init__(self, changes: BasisChanges) -> None:
        self._changes = changes

    async def basis_changed(self, request: Request) -> Response:
        """Store the change, and answer when nothing that stood on the old state is served."""
        body = await model_of(request, ChangedBody)
        change, done = await self._changes.tell(BasisKind(body.kind), body.names, body.version)
        return answer(invalidation_shown(done, tags_of_basis(change)))

    def operations(self) -> tuple[Operation, ...]:
        """Their part of the table."""
        return (
            Operation(
                "POST",
                "/cache/changed",
                "Documents changed; no process serves what stood on them any longer",
                self.basis_changed,
                InvalidateAnswer,
                ChangedBody,
                is_write=True,
            ),
        )
