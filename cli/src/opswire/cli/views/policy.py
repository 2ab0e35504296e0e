"""How the policy and its verdicts look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import counted
from opswire.cli.views.visible import visible
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = {"allow": "green", "approve": "yellow", "refuse": "bold red"}
VERSION_CHARACTERS = 16


def print_check(console: Console, found: dict[str, Any]) -> None:
    """What is wrong, what is odd, or that all is well."""
    if found["fault"]:
        console.print(
            Text("The policy is broken, nothing may be changed: ", "bold red").append_text(visible(found["fault"]))
        )
    for failure in found["failures"]:
        console.print(Text("  fails: ").append_text(visible(failure)))
    if found["people_fault"]:
        told = "The file of people is broken, nobody can approve: "
        console.print(Text(told, "bold red").append_text(visible(found["people_fault"])))
    for warning in found["warnings"]:
        console.print(Text("note: ", "yellow").append_text(visible(warning)))
    if not found["fault"]:
        version = found["version"][:VERSION_CHARACTERS]
        console.print(Text(f"The policy holds; its {found['tests']} tests pass. Version {version}."))


def print_policy(console: Console, found: dict[str, Any]) -> None:
    """The rules in force, one line each, and who may approve."""
    policy = found["policy"]
    for title in ("risks", "demands", "grants"):
        console.print(Text(title, "bold"))
        for rule in policy.get(title, ()):
            console.print(Text(f"  {rule['name']}: {outcome_of(rule)}. ").append_text(visible(rule["because"])))
            if rule.get("when"):
                conditions = "; ".join(f"{name} {_told(value)}" for name, value in rule["when"].items() if value)
                console.print(Text("      when ", "dim").append_text(visible(conditions)))
    if policy:
        console.print(Text("otherwise ", "bold").append(f"{outcome_of(policy['otherwise'])}"))
    console.print(Text("people", "bold"))
    for person in found["people"]:
        keys = counted(len(person["keys"]), "key")
        console.print(Text("  ").append_text(visible(person["name"])).append(f": {', '.join(person['roles'])}; {keys}"))
    print_check(console, found)


def outcome_of(rule: dict[str, Any]) -> str:
    """What a rule says, in words."""
    if rule.get("verdict") == "approve":
        return f"approval of {'one' if rule['people'] == 1 else 'two'} of the role {rule['role']}"
    if rule.get("verdict") == "refuse":
        return "refused"
    return f"risk {rule['risk']}" if "risk" in rule else "allowed"


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def print_verdict(console: Console, found: dict[str, Any]) -> None:
    """The verdict, every reason with its rule, and who could approve."""
    words = {"allow": "allowed", "refuse": "refused"}
    told = words.get(found["kind"]) or outcome_of({"verdict": "approve", **found})
    console.print(Text(told, _COLOURS[found["kind"]]).append(f", risk {found['risk']}", "dim"))
    for reason in found["reasons"]:
        console.print(Text("  - ").append_text(visible(reason["sentence"])).append(f"  [{reason['rule']}]", "dim"))
    if found["kind"] == "approve":
        able = ", ".join(found["able"]) or "nobody of people.yaml"
        asking = f" ({found['asking']} asks, and does not count)" if found["asking"] else ""
        console.print(Text("  could approve: ", "dim").append_text(visible(able + asking)))
        if len(found["able"]) < found["people"]:
            console.print(Text("  these are too few: as people.yaml is, it cannot be approved", "bold yellow"))
    console.print(Text(f"policy {found['version'][:VERSION_CHARACTERS]}", "dim"))
