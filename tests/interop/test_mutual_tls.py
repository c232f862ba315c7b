"""Certificates, the server's and ours, before servers that other people wrote."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import trio_ohws
from tests.certificates import PASSWORD, Certificates
from tests.interop.nginx import proxied, running, with_tls
from tests.interop.peer import LIBRARIES
from tests.journal import Journal

SERVERS = ["nginx", "websockets", "ws"]
VERSIONS = ["TLSv1.2", "TLSv1.3"]
HUNG_UP = "may mean that it refused our client certificate, or the lack of one"
BROKE_OFF = "TLS: the server closed the connection"


class Network:
    """The servers of these tests, each started when first asked for."""

    def __init__(self, stack: ExitStack, folder: Path, certificates: Certificates) -> None:
        self.stack = stack
        self.folder = folder
        self.certificates = certificates
        self.urls: dict[tuple[str, str, str, bool], str] = {}

    def url(
        self, server: str, name: str = "server", version: str = "TLSv1.3", *, mutual: bool = False
    ) -> str:
        """Return the URL of a server that shows a certificate, and may require one of its clients."""
        asked = server, name, version, mutual
        if asked not in self.urls:
            self.urls[asked] = self._nginx(*asked[1:]) if server == "nginx" else self._library(*asked)
        return self.urls[asked]

    def _nginx(self, name: str, version: str, mutual: bool) -> str:
        behind = urlsplit(self.stack.enter_context(LIBRARIES[0].running())).port
        assert behind is not None
        folder = self.folder / f"{name}-{version}-{mutual}"
        folder.mkdir(exist_ok=True)  # where nginx is not installed it was made by the test before
        site = with_tls(proxied(behind), self.certificates, name, mutual=mutual, version=version)
        [port] = self.stack.enter_context(running(folder, site))
        return f"wss://localhost:{port}"

    def _library(self, server: str, name: str, version: str, mutual: bool) -> str:
        peer = next(peer for peer in LIBRARIES if peer.name == server)
        files = [self.certificates.path(f"{name}.pem"), self.certificates.path(f"{name}.key"), version]
        if mutual:
            files.append(self.certificates.ca)
        return self.stack.enter_context(peer.running(*files))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Generator[Network]:
    """All servers of this module; ended with it."""
    with ExitStack() as stack:
        yield Network(stack, tmp_path_factory.mktemp("nginx"), certificates)


async def echoed(url: str, options: dict[str, Any]) -> object:
    """What the server makes of a word."""
    async with trio_ohws.open_websocket(url, options) as ws:
        await ws.send("word")
        return await ws.receive()


async def refusal(url: str, options: dict[str, Any]) -> trio_ohws.BusinessError:
    """The error of an attempt that fails, after the `error` event that goes with it."""
    async with trio_ohws.create_websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(trio_ohws.BusinessError) as caught:
            await ws.connect(url, options)
        assert [("error", 200, caught.value.data)] == journal.entries
    assert 2302999 == caught.value.code
    return caught.value


@pytest.mark.parametrize("key", ["client", "client-encrypted"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server", SERVERS)
async def test_our_certificate_is_taken(
    server: str, version: str, key: str, network: Network, certificates: Certificates
) -> None:
    """A server that requires a certificate takes ours, with a plain and with an encrypted key."""
    password = PASSWORD if key == "client-encrypted" else None
    options = {
        "caPath": certificates.ca,
        "clientCert": certificates.client_cert(key=key, password=password),
    }

    assert "word" == await echoed(network.url(server, version=version, mutual=True), options)


@pytest.mark.parametrize(
    ("server", "version", "name", "data", "words"),
    [
        # nginx shakes hands with everybody, and tells its mind by HTTP.
        *(
            ("nginx", version, name, "400", "server answered 400 Bad Request")
            for version in VERSIONS
            for name in (None, "rogue-client")
        ),
        # asyncio hangs up without an alert.
        ("websockets", "TLSv1.2", None, "0", BROKE_OFF),
        ("websockets", "TLSv1.2", "rogue-client", "0", BROKE_OFF),
        ("websockets", "TLSv1.3", None, "0", HUNG_UP),
        ("websockets", "TLSv1.3", "rogue-client", "0", HUNG_UP),
        # Node leaves the lack of one to OpenSSL, and judges what there is by itself.
        ("ws", "TLSv1.2", None, "0", "TLS: the server broke off; it may require a client certificate"),
        ("ws", "TLSv1.2", "rogue-client", "0", BROKE_OFF),
        ("ws", "TLSv1.3", None, "0", "TLS: the server requires a client certificate"),
        ("ws", "TLSv1.3", "rogue-client", "0", HUNG_UP),
    ],
)
async def test_our_certificate_is_refused(
    server: str,
    version: str,
    name: str | None,
    data: str,
    words: str,
    network: Network,
    certificates: Certificates,
) -> None:
    """The lack of a certificate, and one of another authority, are refused; the error says so."""
    options: dict[str, Any] = {"caPath": certificates.ca}
    if name is not None:
        options["clientCert"] = certificates.client_cert(name)
    error = await refusal(network.url(server, version=version, mutual=True), options)

    assert data == error.data
    assert words in error.message


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("hunter2", "does not open with this password"),
        (None, "is encrypted, and there is no password for it"),
    ],
)
async def test_a_wrong_password(
    password: str | None, words: str, network: Network, certificates: Certificates
) -> None:
    """A key that does not open ends the attempt before the server hears of it; no password is shown."""
    client_cert = certificates.client_cert(key="client-encrypted", password=password)
    url = network.url("websockets", mutual=True)
    error = await refusal(url, {"caPath": certificates.ca, "clientCert": client_cert})

    assert "0" == error.data
    assert words in error.message
    assert "hunter2" not in f"{error!r} {error.__cause__!r}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("expired", "certificate has expired"),
        ("wronghost", "hostname mismatch, certificate is not valid for 'localhost'"),
        ("rogue", "unable to get local issuer certificate"),
        ("selfsigned", "signed certificate"),
    ],
)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_certificate_that_nobody_should_trust(
    server: str, name: str, words: str, network: Network, certificates: Certificates
) -> None:
    """A server's certificate must be valid, for this host, and of an authority that we trust."""
    url = network.url(server, name)
    error = await refusal(url, {"caPath": certificates.ca})

    assert "0" == error.data
    assert "TLS: certificate verify failed: " in error.message
    assert words in error.message
    assert "word" == await echoed(url, {"skipServerCertVerification": True})


@pytest.mark.parametrize("server", SERVERS)
async def test_the_system_does_not_know_our_authority(server: str, network: Network) -> None:
    """Without caPath the system's store decides, and that of a test is not in it."""
    error = await refusal(network.url(server), {})

    assert "TLS: certificate verify failed: unable to get local issuer certificate" in error.message


async def test_a_self_signed_certificate_may_be_trusted(network: Network, certificates: Certificates) -> None:
    """Who lists a server's own certificate as an authority trusts that server."""
    url = network.url("ws", "selfsigned")

    assert "word" == await echoed(url, {"caPath": certificates.path("selfsigned.pem")})


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("nginx", "TLS: the server speaks no TLS version that is accepted here"),
        ("websockets", BROKE_OFF),
        ("ws", "TLS: the server speaks no TLS version that is accepted here"),
    ],
)
async def test_the_least_version(
    server: str, words: str, network: Network, certificates: Certificates
) -> None:
    """A server that speaks TLS 1.2 only is refused by who wants 1.3, and taken by everybody else."""
    url = network.url(server, version="TLSv1.2")
    error = await refusal(url, {"caPath": certificates.ca, "minSupportTlsProtocol": 3})

    assert words in error.message
    assert "word" == await echoed(url, {"caPath": certificates.ca, "minSupportTlsProtocol": 0})
