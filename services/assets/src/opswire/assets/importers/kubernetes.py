"""Kubernetes lists, as `kubectl get nodes,deployments,services,pods -A -o json` (or yaml) prints them.

What becomes of an object:

- Node: a host by its name, with its internal address, operating system and zone (site); roles are groups.
- Machine: a host by the node it became, else by its own name, unless the file has that node itself.
- Deployment, StatefulSet, DaemonSet, CronJob, and Job, ReplicaSet and Pod without an owner: a service named
  `<namespace>/<kind>/<name>` with the aliases `<name>` and `<namespace>/<name>`; an owned Pod without them. A Pod's
  parent is its node.
- Service: the same, with its address and first port; without aliases where a workload bears them.

Namespaces are groups, the labels `app`, `team` and the like attributes; the environment comes from the label
`environment`, else from the namespace's name. Annotations, container specifications and the kinds Secret and ConfigMap
are never looked into. Other kinds are left out, which is said once for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.json_items import JsonReader
from opswire.assets.importers.roles import environment_from_names
from opswire.assets.importers.yaml_tree import Mapping, Value, parse_yaml
from opswire.assets.records import AssetRecord, ImportedFile, LineNote
from opswire.assets.vocabulary import secret_reason

DEPTH_MAX = 100
LABELS_MAX = 40

_LISTS = {
    "items": "",
    "nodes": "Node",
    "pods": "Pod",
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "services": "Service",
}
_OWNERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "CronJob"})
_OWNED = frozenset({"Job", "ReplicaSet", "Pod"})
_WORKLOADS = _OWNERS | _OWNED
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone", "machine.openshift.io/zone")
_ENVIRONMENTS = ("environment", "env", "app.kubernetes.io/environment")
_ROLE = "node-role.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class _Object:
    line: int
    kind: str
    body: dict[str, Any]

    @property
    def metadata(self) -> dict[str, Any]:
        found = self.body.get("metadata")
        return found if isinstance(found, dict) else self.body

    @property
    def name(self) -> str:
        return _text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        return _text(self.metadata.get("namespace")) or "default"

    @property
    def labels(self) -> dict[str, str]:
        return {key: _text(value) for key, value in _part(self.metadata, "labels").items()}

    @property
    def owned(self) -> bool:
        return bool(self.metadata.get("ownerReferences"))

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


def read_kubernetes(text: str) -> ImportedFile:
    """Read lists or single objects, as JSON or YAML. Raises UnreadableInventoryError when none stands there."""
    result = ImportedFile()
    text = text.removeprefix("\ufeff")
    found = _from_json(text) if text.lstrip()[:1] in ("{", "[") else _from_yaml(text)
    objects = [one for one in found if _usable(one, result)]
    if not objects and not result.rejected:
        raise UnreadableInventoryError("no object of Kubernetes stands in the file")
    nodes = {one.name for one in objects if one.kind == "Node"}
    workloads = {one.key for one in objects if one.kind in _WORKLOADS and not one.owned}
    others: Counter[str] = Counter()
    for one in objects:
        if one.kind == "Node":
            result.records.append(_node(one, result))
        elif one.kind == "Machine":
            _add_machine(one, nodes, result)
        elif one.kind in _WORKLOADS or one.kind == "Service":
            result.records.append(_workload(one, workloads, result))
        else:
            others[one.kind] += 1
    for kind, count in sorted(others.items()):
        result.notes.append(LineNote(0, f"{count} of kind {kind[:80]}: left out, no asset is made of it"))
    return result


def _from_json(text: str) -> Iterator[_Object]:
    reader = JsonReader(text)
    found = list(reader.items(_LISTS))
    kind = _text(reader.other.get("kind"))
    if not found and kind:
        yield _Object(1, kind, reader.other)
    for item in found:
        body = item.value if isinstance(item.value, dict) else {}
        yield _Object(item.line, _kind(body, item.key, kind), body)


def _from_yaml(text: str) -> Iterator[_Object]:
    for document in parse_yaml(text, DEPTH_MAX):
        if document is None:
            continue
        top = document.values if isinstance(document, Mapping) else {}
        kind, items = _text(top.get("kind")), top.get("items")
        for one in items if isinstance(items, list) else [document]:
            body = _plain(one)
            line = one.line if isinstance(one, Mapping) else 0
            yield _Object(line, _kind(body, "items", kind if one is not document else ""), body)


def _plain(value: Value) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.values.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _kind(body: object, key: str, list_kind: str) -> str:
    """An object's kind: its own word, else that of its list (`NodeList`, `pods`), else what only nodes have."""
    own = _text(body.get("kind")) if isinstance(body, dict) else ""
    if own or not isinstance(body, dict):
        return own
    if _LISTS.get(key):
        return _LISTS[key]
    if list_kind.endswith("List") and list_kind != "List":
        return list_kind.removesuffix("List")
    return "Node" if "nodeInfo" in _part(body, "status") else ""


def _usable(one: _Object, result: ImportedFile) -> bool:
    if one.kind and one.name and isinstance(one.body, dict):
        return True
    result.rejected.append(LineNote(one.line, "an object without a kind or a name"))
    return False


def _node(one: _Object, result: ImportedFile) -> AssetRecord:
    status = _part(one.body, "status")
    roles = [key.removeprefix(_ROLE) for key in one.labels if key.startswith(_ROLE)] or _texts(one.body.get("roles"))
    record = _record(one, one.name, "host", [f"{role}-nodes" for role in roles if role], result)
    record.address = _address(status.get("addresses"))
    record.os = _text(_part(status, "nodeInfo").get("osImage")) or None
    record.site = next((one.labels[key] for key in _ZONES if one.labels.get(key)), None)
    version = _text(_part(status, "nodeInfo").get("kubeletVersion"))
    record.attributes |= {"kubelet": version} if version else {}
    return record


def _add_machine(one: _Object, nodes: set[str], result: ImportedFile) -> None:
    status = _part(one.body, "status")
    node = _text(_part(status, "nodeRef").get("name"))
    if node in nodes:
        result.notes.append(LineNote(one.line, f"machine {one.name}: left out, it is the node {node}"))
        return
    record = _record(one, node or one.name, "host", [], result)
    record.aliases = [one.name] if node else None
    record.address = _address(status.get("addresses"))
    record.site = next((one.labels[key] for key in _ZONES if one.labels.get(key)), None)
    result.records.append(record)


def _workload(one: _Object, workloads: set[tuple[str, str]], result: ImportedFile) -> AssetRecord:
    spec = _part(one.body, "spec") or one.body
    name = f"{one.namespace}/{one.kind.lower()}/{one.name}"
    record = _record(one, name, "service", [one.namespace], result)
    if not one.owned and (one.kind != "Service" or one.key not in workloads):
        record.aliases = [one.name, f"{one.namespace}/{one.name}"]
    if one.kind == "Pod":
        record.parent = _text(spec.get("nodeName")) or _text(spec.get("node")) or None
        record.address = _text(_part(one.body, "status").get("podIP")) or None
    if one.kind == "Service":
        address = _text(spec.get("clusterIP")) or _text(spec.get("cluster_ip"))
        record.address = address if address not in {"", "None"} else None
        ports = spec.get("ports")
        first = ports[0] if isinstance(ports, list) and ports and isinstance(ports[0], dict) else {}
        record.attributes |= {"port": _text(first.get("port"))} if first.get("port") else {}
    record.attributes |= {"replicas": _text(spec["replicas"])} if _text(spec.get("replicas")) else {}
    return record


def _record(one: _Object, name: str, asset_type: str, groups: list[str], result: ImportedFile) -> AssetRecord:
    attributes = {"kind": one.kind} | ({"namespace": one.namespace} if asset_type == "service" else {})
    for key, value in list(one.labels.items())[:LABELS_MAX]:
        if reason := secret_reason(key.rpartition("/")[2], value):
            result.notes.append(LineNote(one.line, f"{name}: label {key[:80]} left out, {reason}"))
        elif value and not key.startswith(_ROLE):
            attributes[f"label.{key}"] = value
    said = next((one.labels[key] for key in _ENVIRONMENTS if one.labels.get(key)), None)
    environment = said or environment_from_names([one.namespace] if asset_type == "service" else [name])[0]
    uid = _text(one.metadata.get("uid"))  # another one after every re-creation: what it is called is what it is
    attributes |= {"uid": uid} if uid else {}
    return AssetRecord(
        name=name,
        type=asset_type,
        environment=environment,
        owner=one.labels.get("team") or one.labels.get("owner") or None,
        groups=groups,
        attributes=attributes,
        line=one.line,
    )


def _address(addresses: object) -> str | None:
    found = [part for part in addresses if isinstance(part, dict)] if isinstance(addresses, list) else []
    for kind in ("InternalIP", "ExternalIP", "Hostname"):
        for part in found:
            if part.get("type") == kind and _text(part.get("address")):
                return _text(part["address"])
    return None


def _part(body: dict[str, Any], key: str) -> dict[str, Any]:
    found = body.get(key)
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> Iterable[str]:
    return [_text(part) for part in value] if isinstance(value, list) else []


def _text(value: object) -> str:
    if value is None or isinstance(value, bool | list | dict):
        return ""
    return str(value).strip()
