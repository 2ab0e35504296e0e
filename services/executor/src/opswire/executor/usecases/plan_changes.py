"""The plans of what changes something, where a request has one obvious way: tools, targets and arguments, no guess.

Everything that a plan needs stands in the request or in the inventory; what is missing is asked for. Steps on services
go one after the other and stop at the first failure, so that a bad change meets one target; commands go side by side.
"""

from __future__ import annotations

import posixpath
import re
import shlex

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType
from opswire.executor.errors import IncompleteRequestError, NoAutomaticPlanError
from opswire.executor.rules.cells import listed, plain
from opswire.executor.rules.names import is_unit
from opswire.executor.rules.targets import host_of, hosts_of, is_host, without_places
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.words import asked_releases, entity_values, replaced_texts

MANAGERS = frozenset({"supervisor", "systemd"})
MANAGER_DEFAULT = "systemd"
_VERBS = {
    IntentName.SERVICE_RESTART: "service.restart",
    IntentName.SERVICE_START: "service.start",
    IntentName.SERVICE_STOP: "service.stop",
}
_SHELL = re.compile(r"[|&;<>()$`\\\n*?~{}]")


def plan_units(context: ContextResolved) -> list[StepDraft]:
    """Start, stop or restart the unit of each service, or a unit that the request names on a host."""
    tool = _VERBS[context.intent.name]
    drafts: list[StepDraft] = []
    for asset in _targets(context):
        units = _units_of(asset, context)
        if not units:
            raise IncompleteRequestError(
                f"Which unit of {asset.name}? Add the name of a service that runs there, or its unit's name."
            )
        drafts += [StepDraft(tool, asset, {"unit": unit, "manager": _manager(asset, context)}) for unit in units]
    return _one_after_the_other(drafts)


def plan_scale(context: ContextResolved) -> list[StepDraft]:
    """As many processes of a service's group as the request says."""
    count = _only(context, EntityType.COUNT, "How many?", 'Add one number, for example "scale checkout to 3".')
    if not count.isdigit():
        raise IncompleteRequestError('How many? Add a number, for example "scale checkout to 3".')
    drafts = []
    for asset in _targets(context):
        if is_host(asset):
            raise IncompleteRequestError(f"Scale what on {asset.name}? Add the name of a group that runs there.")
        group, most = asset.attributes.get("group", ""), asset.attributes.get("replicas_max", "")
        if not is_unit(group):
            raise NoAutomaticPlanError(
                f"The inventory knows no group of {asset.name} (its attribute group); a person must do it."
            )
        if most.isdigit() and int(count[:9]) > int(most[:9]):
            raise IncompleteRequestError(f"{group} has room for {most} processes; ask for {most} or fewer.")
        drafts.append(StepDraft("service.scale", asset, {"group": group, "replicas": int(count[:9])}))
    return _one_after_the_other(drafts)


def plan_command(context: ContextResolved) -> list[StepDraft]:
    """One program with its arguments on each host. What only a shell understands is refused, never passed on."""
    text = _only(context, EntityType.COMMAND, "Which command?", 'Quote one, for example: run "df -h" on web-01.')
    if _SHELL.search(text):
        raise IncompleteRequestError(
            f"{plain(text, 200)!r} needs a shell, and commands are run without one: give one program and its arguments."
        )
    try:
        argv = shlex.split(text)
    except ValueError as error:
        raise IncompleteRequestError(f"The command's quotes are not closed: {error}.") from error
    return [StepDraft("command.run", host, {"argv": argv}) for host in _hosts(context)]


def plan_config(context: ContextResolved) -> list[StepDraft]:
    """Texts of one file replaced by others, all quoted in the request, in the order in which they stand there."""
    path = _only(context, EntityType.PATH, "Which file?", "Name one by its absolute path.")
    pairs = replaced_texts(context)
    if not pairs:
        raise IncompleteRequestError(
            'What is to be changed in it? Quote both texts: in /etc/app.conf replace "workers=2" with "workers=4".'
        )
    arguments = [{"path": path, "old": old, "new": new} for old, new in pairs]
    return _one_after_the_other(
        [StepDraft("file.replace_text", host, each) for host in _hosts(context) for each in arguments]
    )


def plan_release(context: ContextResolved) -> list[StepDraft]:
    """The link of an application to another release, the one named or for a rollback the one before; then a restart.

    What the inventory names no unit of is not restarted.
    """
    named, before = asked_releases(context)
    drafts: list[StepDraft] = []
    for asset in _targets(context):
        link = asset.attributes.get("release_link")
        if not link:
            raise NoAutomaticPlanError(f"The inventory knows no release_link of {asset.name}; a person must do it.")
        back = asset.attributes.get("previous_release") if context.intent.name is IntentName.RELEASE_ROLLBACK else None
        release = named or back
        if release is None:
            raise IncompleteRequestError(
                f'To which release of {asset.name}? Add its name, for example "roll back storefront to 1.4.0".'
            )
        arguments = {"link": link, "release": release} | ({"release_before": before} if before else {})
        drafts.append(StepDraft("release.switch", asset, arguments))
        # A process goes on with the release that it was started with.
        drafts += [
            StepDraft("service.restart", asset, {"unit": unit, "manager": _manager(asset, context)})
            for unit in ([] if is_host(asset) else _units_of(asset, context))
        ]
    return _one_after_the_other(drafts)


def plan_backup(context: ContextResolved) -> list[StepDraft]:
    """A copy of each database file, in its `backup_dir` or beside it, named after the request."""
    drafts = []
    for asset in _targets(context):
        path = _data_path(asset)
        copy = posixpath.join(_backups(asset, path), f"{posixpath.basename(path)}.{context.request_id}.backup")
        drafts.append(StepDraft("data.backup", asset, {"path": path, "copy": copy}))
    return drafts


def plan_restore(context: ContextResolved) -> list[StepDraft]:
    """A database file put back from the copy that the request names by its path, or that was found by its request."""
    targets = _targets(context)
    if len(targets) != 1:
        raise IncompleteRequestError("Restore one database at a time; name one.")
    path = _data_path(targets[0])
    copies = [named for named in entity_values(context, EntityType.PATH) if named != path]
    if len(copies) != 1:
        raise IncompleteRequestError(
            "From which copy? Add one path, as the answer to the backup named it, or say `the backup of request ID`."
        )
    return [StepDraft("data.restore", targets[0], {"path": path, "copy": copies[0]})]


def plan_delete(context: ContextResolved) -> list[StepDraft]:
    """Every path that the request names, removed on each host."""
    paths = entity_values(context, EntityType.PATH)
    if not paths:
        raise IncompleteRequestError("Delete what? Add its absolute path; nothing but files is deleted.")
    hosts = _hosts(context)
    return _one_after_the_other([StepDraft("file.delete", host, {"path": path}) for host in hosts for path in paths])


def _one_after_the_other(drafts: list[StepDraft]) -> list[StepDraft]:
    return [draft.coming_after(number) if number else draft for number, draft in enumerate(drafts)]


def _targets(context: ContextResolved) -> list[Asset]:
    targets = without_places(context.assets)
    if not targets:
        raise IncompleteRequestError("On what? Add the name of a host or a service that the inventory holds.")
    without_host = [asset.name for asset in targets if host_of(asset, context) is None]
    if without_host:
        raise NoAutomaticPlanError(f"The inventory names no host for {listed(without_host)}; a person must look.")
    return targets


def _units_of(asset: Asset, context: ContextResolved) -> list[str]:
    if not is_host(asset):
        unit = asset.attributes.get("unit", "")
        return [unit] if is_unit(unit) else []
    return [value for value in entity_values(context, EntityType.SERVICE) if is_unit(value)]


def _manager(asset: Asset, context: ContextResolved) -> str:
    host = host_of(asset, context)
    for one in (asset, host):
        manager = one.attributes.get("manager", "") if one is not None else ""
        if manager in MANAGERS:
            return manager
    return MANAGER_DEFAULT


def _hosts(context: ContextResolved) -> list[Asset]:
    hosts = hosts_of(context)
    if not hosts:
        raise IncompleteRequestError("On which host? Add the name of one that the inventory holds.")
    return hosts


def _only(context: ContextResolved, kind: EntityType, question: str, advice: str) -> str:
    """The one value of a type. Nothing is picked out of several: that would do less than what was asked."""
    found = entity_values(context, kind)
    if not found:
        raise IncompleteRequestError(f"{question} {advice}")
    if len(found) > 1:
        raise IncompleteRequestError(f"{question} {listed([plain(each, 100) for each in found])} are named. {advice}")
    return found[0]


def _data_path(asset: Asset) -> str:
    path = asset.attributes.get("data_path")
    if not path:
        raise NoAutomaticPlanError(f"The inventory knows no data_path of {asset.name}; a person must do it.")
    return path


def _backups(asset: Asset, path: str) -> str:
    return asset.attributes.get("backup_dir") or posixpath.dirname(path)
