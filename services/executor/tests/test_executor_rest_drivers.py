"""The kubernetes and http.request drivers: the first against a stand-in API server, the second against real HTTP."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import kubernetes_api
import pytest
import tool_scene
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes_api import TOKEN, KubernetesApi
from opswire.contracts.findings import Asset
from opswire.executor.adapters.rest import filled_request
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import AnswerRefusedError, BadArgumentError, HostUnreachableError
from opswire.executor.rules.driver_settings import RestCall
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Judgement

CHECKOUT = {"namespace": "shop", "deployment": "checkout"}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster of a test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.crt").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.key").write_bytes(secret)
    (tmp_path / "token").write_text(TOKEN + "\n")
    return tmp_path / "ca.crt"


@pytest.fixture
async def api(certificate: Path) -> AsyncIterator[KubernetesApi]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("server.key"))
    async with KubernetesApi(context) as running:
        yield running


@pytest.fixture
def cluster(api: KubernetesApi, make_asset) -> Asset:
    attributes = {"port": str(api.port), "credential": "file:token", "ca": "file:ca.crt"}
    return make_asset("cluster-1", "cluster", address="127.0.0.1", attributes=attributes)


@pytest.fixture
async def drivers(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(DriverSettings(tmp_path, allow_loopback=True)) as built:
        yield built


async def run(drivers: Drivers, name: str, asset: Asset, **arguments: str | int):
    return await tool_scene.run(drivers, packaged_catalogue(), name, asset, **arguments)


async def test_pods_and_a_deployment_become_rows(drivers: Drivers, cluster: Asset) -> None:
    pods = await run(drivers, "kubernetes.pods", cluster, namespace="shop")
    assert [record["pod"] for record in pods.records] == ["checkout-0", "checkout-1"]
    assert pods.records[0]["phase"] == "Running"
    found = await run(drivers, "kubernetes.deployment", cluster, **CHECKOUT)
    assert (found.records[0]["wanted"], found.records[0]["ready"]) == (2, 2)


async def test_scaling_is_seen_by_its_probe(drivers: Drivers, cluster: Asset, api: KubernetesApi) -> None:
    await run(drivers, "kubernetes.scale", cluster, **CHECKOUT, replicas=3, replicas_before=2)
    assert api.requests[-1][::2] == ("PATCH", "application/strategic-merge-patch+json")
    probe = packaged_catalogue().verification_of("kubernetes.scale", {**CHECKOUT, "replicas": 3}, "r", 1)
    found = await run(drivers, probe.tool, cluster, **probe.arguments)
    assert found.verdict.status is Judgement.PASS
    assert len([request for request in api.requests if request[0] == "GET"]) > 1, "the pods were not ready at once"
    back = packaged_catalogue().reverse_of(
        "kubernetes.scale", {**CHECKOUT, "replicas": 3, "replicas_before": 2}, "r", 1
    )
    assert back.arguments["replicas"] == 2


async def test_a_restart_leaves_its_mark(drivers: Drivers, cluster: Asset, api: KubernetesApi) -> None:
    await run(drivers, "kubernetes.restart", cluster, **CHECKOUT, request="request-1")
    template = api.deployments["checkout"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"opswire/restarted-by": "request-1"}
    assert template["spec"]["containers"], "a merge keeps what it does not name"
    assert kubernetes_api.check("Deployment", api.deployments["checkout"]) == []
    found = await run(drivers, "kubernetes.verify_restart", cluster, **CHECKOUT, request="request-1")
    assert found.verdict.status is Judgement.PASS


async def test_a_pod_is_removed_once(drivers: Drivers, cluster: Asset) -> None:
    await run(drivers, "kubernetes.delete_pod", cluster, namespace="shop", pod="checkout-1")
    with pytest.raises(AnswerRefusedError, match="answered 404"):
        await run(drivers, "kubernetes.delete_pod", cluster, namespace="shop", pod="checkout-1")


async def test_a_wrong_token_or_authority_gets_nothing(
    drivers: Drivers, cluster: Asset, tmp_path: Path, api: KubernetesApi
) -> None:
    (tmp_path / "other").write_text("another-token-of-nobody")
    wrong = cluster.model_copy(update={"attributes": {**cluster.attributes, "credential": "file:other"}})
    with pytest.raises(AnswerRefusedError, match="answered 401") as caught:
        await run(drivers, "kubernetes.pods", wrong, namespace="shop")
    assert "another-token" not in str(caught.value)
    asked = len(api.requests)
    strange = cluster.model_copy(update={"attributes": {"port": str(api.port), "credential": "file:token"}})
    with pytest.raises(HostUnreachableError, match="CERTIFICATE_VERIFY_FAILED") as caught_too:
        await run(drivers, "kubernetes.pods", strange, namespace="shop")
    assert TOKEN not in str(caught_too.value)
    assert len(api.requests) == asked


@pytest.mark.parametrize("name", ["../secrets", "a/b", "a%2Fb", "a?x=1", "", "a b", "a\r\nX: 1", "..", "$(reboot)"])
async def test_a_name_stays_in_its_place_of_the_path(
    drivers: Drivers, cluster: Asset, api: KubernetesApi, name: str
) -> None:
    with pytest.raises(BadArgumentError):
        await run(drivers, "kubernetes.deployment", cluster, namespace="shop", deployment=name)
    assert api.requests == []


@pytest.mark.parametrize(
    ("value", "path"),
    [("a/b", "/x/a%2Fb"), ("a b?", "/x/a%20b%3F"), ("é\n", "/x/%C3%A9%0A"), ("%2e%2e", "/x/%252e%252e")],
)
def test_what_the_catalogue_lets_through_is_escaped(value: str, path: str) -> None:
    driver = RestCall(
        name="http.request", path="/x/{one}", query={"q": "{one}"}, body={"a": ["{one}", {"b": "x{one}"}]}
    )
    request = filled_request(driver, {"one": value})
    assert (request.path, request.query) == (path, {"q": value})
    assert request.body == {"a": [value, {"b": f"x{value}"}]}
    for bad in ("", ".", ".."):
        with pytest.raises(BadArgumentError):
            filled_request(driver, {"one": bad})


async def test_a_tool_of_a_team_over_plain_http(drivers: Drivers, make_asset) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"jobs": [{"name": "nightly", "state": {"last": "ok"}}, {"name": "x\\u001b[2J"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asset = make_asset("ci", "service", address="127.0.0.1", attributes={"protocol": "http", "port": str(port)})
    driver = {
        "name": "http.request",
        "path": "/jobs/{team}",
        "query": {"last": "{days}"},
        "rows": "jobs",
        "columns": {"job": "name", "last": "state.last"},
    }
    parameters = {
        "team": tool_scene.parameter(),
        "days": tool_scene.parameter("integer", min=1, max=9),
    }
    catalogue = tool_scene.catalogue(tool_scene.tool("ci.jobs", driver, parameters=parameters))
    async with server:
        found = await tool_scene.run(drivers, catalogue, "ci.jobs", asset, team="a/b", days=2)
    assert found.records == (
        {"asset": "ci", "job": "nightly", "last": "ok"},
        {"asset": "ci", "job": "x\\x1b[2J", "last": None},
    )
    assert asked[0].startswith(b"GET /jobs/a%2Fb?last=2 HTTP/1.1\r\n")
