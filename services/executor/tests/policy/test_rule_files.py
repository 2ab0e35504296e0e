"""The files of the policy and of people: a change counts at the next use, whatever the change is."""

from __future__ import annotations

import os
from pathlib import Path

from opswire.executor.adapters.rule_files import RuleFiles
from opswire.executor.rules.policy import Kind
from policy_scene import GRANTS_ALL, PACKAGED, packaged, question


def test_without_paths_the_packaged_files_count() -> None:
    files = RuleFiles(None, None)
    assert files.policy().version == packaged().version
    assert files.people().people == ()
    assert files.people().fault is None


def test_every_change_of_the_file_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(GRANTS_ALL)
    files = RuleFiles(path, None)
    first = files.policy()
    assert first.decide(question()).kind is Kind.ALLOW
    assert files.policy() is first  # unchanged bytes are not parsed again

    path.write_bytes(PACKAGED)
    assert files.policy().decide(question()).kind is Kind.APPROVE

    # The same length, and the times of the file put back: still another policy.
    before = path.stat()
    path.write_bytes(PACKAGED.replace(b"approval_window_s: 14400", b"approval_window_s: 14401"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files.policy().approval_window_s == 14_401

    path.write_bytes(b"grants: [")
    assert files.policy().decide(question()).kind is Kind.REFUSE

    path.unlink()
    verdict = files.policy().decide(question())
    assert verdict.kind is Kind.REFUSE
    assert "cannot be read" in verdict.reasons[0].sentence

    path.write_bytes(GRANTS_ALL)
    assert files.policy().decide(question()).kind is Kind.ALLOW


def test_people_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "people.yaml"
    files = RuleFiles(None, path)
    assert "cannot be read" in (files.people().fault or "")
    path.write_text("people: [{name: dana, roles: [operator]}]", encoding="utf-8")
    assert [person.name for person in files.people().of_role("operator")] == ["dana"]
    path.write_text("people: [{name: dana, roles: [operator]}, {name: Dana}]", encoding="utf-8")
    assert files.people().people == ()


def test_without_a_setting_the_state_directorys_own_files_count_as_soon_as_they_are_there(tmp_path: Path) -> None:
    files = RuleFiles(None, None, tmp_path)
    packaged = files.people().version
    (tmp_path / "people.yaml").write_text("people: [{name: sam}]\n")
    assert [person.name for person in files.people().people] == ["sam"]
    (tmp_path / "people.yaml").unlink()
    assert files.people().version == packaged
