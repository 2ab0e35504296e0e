"""A stand-in for a Kubernetes API server: no cluster can run in these tests.

What it answers and takes is checked against a schema, written after Kubernetes' documentation of the API for the few
kinds that are used; a change that the schema does not know is answered 422, as a real server does. It checks the token,
the path, the method and the kind of patch. It is no proof that a real cluster behaves so.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema

STRING, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
TEXTS = {"type": "object", "additionalProperties": STRING}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_METADATA = _object([], name=STRING, namespace=STRING, generation=COUNT, labels=TEXTS, annotations=TEXTS)
_CONTAINER = _object(["name"], name=STRING, image=STRING)
_POD = _object(["containers"], containers={"type": "array", "items": _CONTAINER}, nodeName=STRING)
SCHEMAS = {
    "Deployment": _object(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": "apps/v1"},
        kind={"const": "Deployment"},
        metadata=_METADATA,
        spec=_object(
            ["selector", "template"],
            replicas=COUNT,
            selector=_object([], matchLabels=TEXTS),
            template=_object([], metadata=_METADATA, spec=_POD),
        ),
        status=_object([], replicas=COUNT, readyReplicas=COUNT, updatedReplicas=COUNT, observedGeneration=COUNT),
    ),
    "Pod": _object(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": "v1"},
        kind={"const": "Pod"},
        metadata=_METADATA,
        spec=_POD,
        status=_object([], phase=STRING, podIP=STRING),
    ),
}
STRATEGIC = "application/strategic-merge-patch+json"
TOKEN = "canary-kubernetes-token"


def check(kind: str, document: Any) -> list[str]:
    """What the schema of a kind has against a document."""
    validator = jsonschema.Draft202012Validator(SCHEMAS[kind])
    return [error.message for error in validator.iter_errors(document)]


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": "shop/1"}]}},
        },
        "status": {"replicas": replicas, "readyReplicas": replicas, "observedGeneration": 1},
    }


class KubernetesApi:
    """Serves deployments and pods of the namespace `shop` over TLS. Its controller acts after a look at the status."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.deployments = {"checkout": deployment("checkout", 2)}
        self.pods = {f"checkout-{n}": self._pod(f"checkout-{n}") for n in range(2)}
        self.requests: list[tuple[str, str, str]] = []
        self._context = context
        self.port = 0

    async def __aenter__(self) -> KubernetesApi:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @staticmethod
    def _pod(name: str) -> dict[str, Any]:
        containers = [{"name": "checkout", "image": "shop/1"}]
        status = {"phase": "Running", "podIP": "10.0.0.7"}
        metadata = {"name": name, "namespace": "shop"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": containers},
            "status": status,
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, target, _ = head[0].split(" ")
        self.requests.append((method, target, headers.get("content-type", "")))
        if headers.get("authorization") != f"bearer {TOKEN}":
            status, answer = 401, self._status(401, "Unauthorized")
        else:
            status, answer = self._answer(
                method, unquote(urlsplit(target).path), json.loads(body or b"null"), headers.get("content-type", "")
            )
        data = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
        await writer.drain()
        writer.close()

    def _answer(self, method: str, path: str, body: Any, patch: str) -> tuple[int, Any]:
        kind, _, name = path.removeprefix("/apis/apps/v1/namespaces/shop/").partition("/")
        if path.startswith("/apis/apps/v1/namespaces/shop/deployments") and kind == "deployments":
            name, _, sub = name.partition("/")
            found = self.deployments.get(name)
            if found is None:
                return 404, self._status(404, f'deployments.apps "{name}" not found')
            if method == "PATCH" and patch != STRATEGIC:
                return 415, self._status(415, f"a patch is not {patch}")
            return self._deployment(method, found, sub, body)
        if path == "/api/v1/namespaces/shop/pods" and method == "GET":
            return 200, {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": list(self.pods.values())}
        return self._status_of_pod(method, path.removeprefix("/api/v1/namespaces/shop/pods/"))

    def _status_of_pod(self, method: str, name: str) -> tuple[int, Any]:
        if name not in self.pods:
            return 404, self._status(404, f'"{name}" not found')
        found = self.pods.pop(name) if method == "DELETE" else self.pods[name]
        return 200, found

    def _deployment(self, method: str, found: dict[str, Any], sub: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            now = copy.deepcopy(found)
            self._control(found)
            return 200, now
        changed = _merged(found, body)
        faults = check("Deployment", changed)
        if faults or sub not in ("", "scale"):
            return 422, self._status(422, "; ".join(faults) or f"no sub-resource {sub}")
        changed["metadata"]["generation"] += 1
        self.deployments[found["metadata"]["name"]] = changed
        return 200, changed

    @staticmethod
    def _control(found: dict[str, Any]) -> None:
        wanted = found["spec"]["replicas"]
        found["status"] = {
            "replicas": wanted,
            "readyReplicas": wanted,
            "updatedReplicas": wanted,
            "observedGeneration": found["metadata"]["generation"],
        }

    @staticmethod
    def _status(code: int, message: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message}


def _merged(into: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(into, dict):
        return patch
    return {**into, **{name: _merged(into.get(name), value) for name, value in patch.items()}}
