"""A kind of import rule that import-linter lacks: these modules know the standard library and only what is named."""

from __future__ import annotations

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """Everything under `source_modules` imports its own tree, the standard library, and what `allowed` names.

    `exceptions` names single imports that are allowed too, each as `importer -> imported`.
    """

    source_modules = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField(), required=False)
    exceptions = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find every direct import that is not allowed."""
        sources: list[str] = list(self.source_modules)  # type: ignore[call-overload]
        allowed = [*sources, *(self.allowed or [])]  # type: ignore[misc]
        exceptions = set(self.exceptions or [])  # type: ignore[call-overload]
        broken = [
            f"{importer} imports {imported}"
            for importer in sorted(graph.modules)
            if _is_inside(importer, sources)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not _is_inside(imported, allowed)
            and imported.partition(".")[0] not in sys.stdlib_module_names
            and f"{importer} -> {imported}" not in exceptions
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name every import that is not allowed."""
        found: Any = check.metadata["broken"]
        for sentence in found:
            output.print_error(sentence)


def _is_inside(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
