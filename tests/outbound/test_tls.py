"""Certificates: the name asked for, not the address dialled, is what must be proven."""

import ssl
import subprocess

import pytest
from tests.outbound.raw_server import RawServer, reply
from tests.support.tools import needs_tool

from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.errors import Code, PfnError

pytestmark = needs_tool("openssl", why="it makes the test's certificate")

OPENED = OutboundPolicy(allowed_hosts=frozenset({"publisher.test", "other.test"}))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=publisher.test", "-addext", "subjectAltName=DNS:publisher.test", "-days", "2"),
            *("-out", paths[0], "-keyout", paths[1]),
        ],
        check=True,
        capture_output=True,
    )
    return paths


@pytest.fixture
async def names():
    """The server names that clients asked for."""
    return []


@pytest.fixture
async def tls_server(certificate, names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = lambda connection, name, _: names.append(name)
    async with RawServer(tls=context) as server:
        server.answers["/"] = reply(b"{}")
        server.answers["/in"] = reply(status="302 Found", Location=f"https://other.test:{server.port}/")
        server.answers["/down"] = reply(status="302 Found", Location=f"http://publisher.test:{server.port}/")
        yield server


async def to_loopback(host):
    return ["127.0.0.1"]


async def test_the_name_asked_for_is_proven(tls_server, certificate, names):
    trust = ssl.create_default_context(cafile=certificate[0])
    async with Fetcher(OPENED, lookup=to_loopback, ssl_context=trust) as fetcher:
        url = f"https://publisher.test:{tls_server.port}/"
        for _ in range(3):
            assert (await fetcher.get_document(url)).body == b"{}"
    assert names == ["publisher.test"]
    assert tls_server.received[0].headers["host"] == f"publisher.test:{tls_server.port}"


async def test_another_name_is_refused(tls_server, certificate):
    trust = ssl.create_default_context(cafile=certificate[0])
    async with Fetcher(OPENED, lookup=to_loopback, ssl_context=trust) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"https://other.test:{tls_server.port}/")
    assert caught.value.code is Code.SOURCE_UNREACHABLE
    assert "Certificate" in caught.value.internal
    assert tls_server.received == []


async def test_an_untrusted_certificate_is_refused(tls_server):
    async with Fetcher(OPENED, lookup=to_loopback) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"https://publisher.test:{tls_server.port}/")
    assert "Certificate" in caught.value.internal
    assert tls_server.received == []


async def test_a_redirect_never_leaves_https(tls_server, certificate):
    trust = ssl.create_default_context(cafile=certificate[0])
    async with Fetcher(OPENED, lookup=to_loopback, ssl_context=trust) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"https://publisher.test:{tls_server.port}/down")
    assert "redirect from https" in caught.value.internal


async def test_a_redirect_never_leads_from_outside_to_a_host_the_operator_opened(tls_server, certificate, monkeypatch):
    monkeypatch.setattr("pfn.outbound.policy.judge_address", lambda _: None)  # loopback plays the public internet
    policy = OutboundPolicy(allowed_ports=frozenset({tls_server.port}), allowed_hosts=frozenset({"other.test"}))
    trust = ssl.create_default_context(cafile=certificate[0])
    async with Fetcher(policy, lookup=to_loopback, ssl_context=trust) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"https://publisher.test:{tls_server.port}/in")
    assert "from the public internet" in caught.value.internal
