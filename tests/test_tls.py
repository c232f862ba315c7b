"""TLS as a whole socket sees it: a context of one's own, no verification, and refusals under TLS 1.3."""

import logging
import ssl
from functools import partial
from typing import Any

import pytest
import trio

from tests.certificates import PASSWORD, Certificates
from tests.echo_server import echo_server
from tests.journal import Journal
from tests.tls_server import greet
from trio_ohws import BusinessError, ClientCert, create_websocket, open_websocket

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
RELUCTANT = "certificate verify failed"


async def refusing_server(nursery: trio.Nursery, context: ssl.SSLContext) -> int:
    """Serve TLS on a port of localhost, which is returned, and tell clients why they are refused."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, partial(greet, context=context), listeners)
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def echoed(url: str, options: Any = None, **settings: Any) -> object:
    """What the server makes of a word."""
    async with open_websocket(url, options, **settings) as ws:
        await ws.send("word")
        return await ws.receive()


async def refusal(url: str, options: Any = None, **settings: Any) -> BusinessError:
    """The error of an attempt that fails, after the `error` event that goes with it."""
    async with create_websocket(**settings) as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(url, options)
        assert [("error", 200, caught.value.data)] == journal.entries
    return caught.value


# A context of one's own


async def test_a_context_of_ones_own_is_used_as_it_is(
    certificates: Certificates, nursery: trio.Nursery
) -> None:
    """Whom it trusts, which certificate it shows and which versions it speaks is the program's to say."""
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(
        certificates.path("client.pem"), certificates.path("client-encrypted.key"), PASSWORD
    )
    context.maximum_version = TLS12
    server = certificates.server_context(mutual=True, version=TLS12)
    port = await echo_server(nursery, server)

    assert "word" == await echoed(f"wss://localhost:{port}", ssl_context=context)
    assert TLS12 == context.maximum_version


async def test_a_context_of_ones_own_that_trusts_nobody(
    certificates: Certificates, nursery: trio.Nursery
) -> None:
    """An empty one refuses every server: ours is not asked instead."""
    port = await echo_server(nursery, certificates.server_context())
    error = await refusal(f"wss://localhost:{port}", ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    assert (2302999, "0") == (error.code, error.data)
    assert RELUCTANT in error.message


async def test_a_context_of_ones_own_that_trusts_everybody(
    certificates: Certificates, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is warned of what the program has done with its own hands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    port = await echo_server(nursery, certificates.server_context("selfsigned"))

    assert "word" == await echoed(f"wss://localhost:{port}", ssl_context=context)
    assert [] == caplog.records


async def test_the_context_s_alpn_is_left_alone(certificates: Certificates, nursery: trio.Nursery) -> None:
    """A context that offers nothing by ALPN is not made to offer anything."""
    server = certificates.server_context()
    server.set_alpn_protocols(["http/1.1"])
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    chosen: list[str] = []

    async def serve(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, server, server_side=True, https_compatible=True)
        await tls.do_handshake()
        chosen.append(str(tls.selected_alpn_protocol()))
        await tls.aclose()

    nursery.start_soon(trio.serve_listeners, serve, listeners)
    url = f"wss://localhost:{listeners[0].socket.getsockname()[1]}"
    await refusal(url, {"caPath": certificates.ca})
    await refusal(url, ssl_context=ssl.create_default_context(cafile=certificates.ca))

    assert ["http/1.1", "None"] == chosen


async def test_ws_has_no_use_for_a_context(nursery: trio.Nursery) -> None:
    """A socket with a context connects to `ws://` URLs, too."""
    port = await echo_server(nursery, None)

    assert "word" == await echoed(f"ws://127.0.0.1:{port}", ssl_context=ssl.create_default_context())


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize(
    ("options", "called"),
    [
        ({"caPath": "ca.pem"}, "'ca_path' ('caPath')"),
        ({"clientCert": {"certPath": "c", "keyPath": "k"}}, "'client_cert' ('clientCert')"),
        (
            {"skipServerCertVerification": True},
            "'skip_server_cert_verification' ('skipServerCertVerification')",
        ),
        ({"minSupportTlsProtocol": 0}, "'min_support_tls_protocol' ('minSupportTlsProtocol')"),
    ],
)
async def test_one_source_of_truth_about_tls(scheme: str, options: dict[str, Any], called: str) -> None:
    """Beside a context of one's own no option may say anything about TLS: 401, before files are looked at."""
    context = ssl.create_default_context()
    with pytest.raises(BusinessError) as caught:
        await echoed(f"{scheme}://localhost", options, ssl_context=context)

    assert 401 == caught.value.code
    assert f"choose between {called} and ssl_context, which is used as it is" in caught.value.message


async def test_options_that_say_nothing_about_tls_go_with_a_context(
    certificates: Certificates, nursery: trio.Nursery
) -> None:
    """Options that are absent, empty or off are no second source."""
    port = await echo_server(nursery, certificates.server_context())
    options = {"caPath": "", "clientCert": None, "skipServerCertVerification": False, "pingInterval": 5}
    context = ssl.create_default_context(cafile=certificates.ca)

    assert "word" == await echoed(f"wss://localhost:{port}", options, ssl_context=context)


# No verification


@pytest.mark.parametrize("name", ["selfsigned", "expired", "wronghost", "rogue"])
async def test_skipping_verification_is_loud(
    name: str, certificates: Certificates, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """Each connection that skips verification leaves one warning, and no other connection skips it."""
    url = f"wss://localhost:{await echo_server(nursery, certificates.server_context(name))}"

    assert "word" == await echoed(url, {"skipServerCertVerification": True})
    [record] = caplog.records
    assert ("trio_ohws", logging.WARNING) == (record.name, record.levelno)
    assert (
        "'skip_server_cert_verification' is set: nobody knows whether localhost is who answers"
        == record.getMessage()
    )
    error = await refusal(url, {"caPath": certificates.ca})
    assert RELUCTANT in error.message


async def test_without_tls_there_is_nothing_to_skip(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """A `ws://` URL gets no warning about certificates."""
    port = await echo_server(nursery, None)

    assert "word" == await echoed(f"ws://127.0.0.1:{port}", {"skipServerCertVerification": True})
    assert [] == caplog.records


# Who we are


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        (None, TLS12, "TLS: the server broke off; it may require a client certificate"),
        (None, TLS13, "TLS: the server requires a client certificate"),
        (
            "rogue-client",
            TLS12,
            "TLS: the server refused our client certificate, or the lack of one (unknown ca)",
        ),
        (
            "rogue-client",
            TLS13,
            "TLS: the server refused our client certificate, or the lack of one (unknown ca)",
        ),
    ],
)
async def test_a_server_refuses_our_certificate(
    name: str | None,
    version: ssl.TLSVersion,
    words: str,
    certificates: Certificates,
    nursery: trio.Nursery,
) -> None:
    """Under TLS 1.3 that comes after the handshake, in place of an answer; the error says so all the same."""
    server = certificates.server_context(mutual=True, version=version)
    options: dict[str, Any] = {"caPath": certificates.ca}
    if name is not None:
        options["clientCert"] = certificates.client_cert(name)
    error = await refusal(f"wss://localhost:{await refusing_server(nursery, server)}", options)
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__

    assert (2302999, "0") == (error.code, error.data)
    assert f"Websocket other unknown error: {words}" == error.message
    assert isinstance(root, ssl.SSLError)


@pytest.mark.parametrize("secure", [True, False])
async def test_a_server_that_hangs_up(
    secure: bool, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """A TLS server that hangs up without an alert may have meant our certificate; the error says so."""
    context = certificates.server_context(version=TLS13)

    async def hang_up(plain: trio.SocketStream) -> None:
        stream: trio.abc.Stream = plain
        if secure:
            stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
        await stream.receive_some()
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, hang_up, listeners)
    server = f"localhost:{listeners[0].socket.getsockname()[1]}"
    error = await refusal(f"wss://{server}" if secure else f"ws://{server}", {"caPath": certificates.ca})

    assert (2302999, "0") == (error.code, error.data)
    assert "server closed the connection before it answered" in error.message
    assert secure is ("may mean that it refused our client certificate, or the lack of one" in error.message)


@pytest.mark.parametrize("version", [TLS12, TLS13])
async def test_a_server_takes_our_certificate(
    version: ssl.TLSVersion, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """A plain and an encrypted key do."""
    server = certificates.server_context(mutual=True, version=version)
    url = f"wss://localhost:{await echo_server(nursery, server)}"
    cert = ClientCert(certificates.path("client.pem"), certificates.path("client-encrypted.key"), PASSWORD)

    assert "word" == await echoed(url, {"caPath": certificates.ca, "clientCert": certificates.client_cert()})
    assert "word" == await echoed(url, {"ca_path": certificates.ca, "client_cert": cert})
