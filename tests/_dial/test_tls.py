"""TLS: who is trusted, who is refused, and in which words."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import ssl
import sys
from collections.abc import Callable

import pytest
import trio
import trio.testing
import trustme
from cryptography.hazmat.primitives import serialization

from tests.tls_server import greet
from trio_ohws._dial.tls import check_files, client_context, explain, start_tls, tls_trouble
from trio_ohws.errors import BusinessError
from trio_ohws.options import ClientCert, TlsProtocol, WebSocketRequestOptions

HOST = "server.example"
CA = trustme.CA()
SERVER = CA.issue_cert(HOST, "*.wild.example", "xn--r8jz45g.jp", "127.0.0.1", "::1")
CLIENT = CA.issue_cert("client@example.org")
OTHER_CA = trustme.CA()
YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
LONG_AGO = YESTERDAY - dt.timedelta(days=365)
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

Answer = Callable[[trio.abc.Stream], object]


class Files:
    """Certificates and keys as files in a directory of the test."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory

    def write(self, name: str, content: bytes) -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def ca(self, ca: trustme.CA = CA) -> str:
        return self.write("ca.pem", ca.cert_pem.bytes())

    def cert(self, leaf: trustme.LeafCert = CLIENT) -> str:
        return self.write("cert.pem", b"".join(blob.bytes() for blob in leaf.cert_chain_pems))

    def key(self, leaf: trustme.LeafCert = CLIENT) -> str:
        return self.write("key.pem", leaf.private_key_pem.bytes())

    def encrypted_key(self, form: serialization.PrivateFormat, password: str) -> str:
        key = serialization.load_pem_private_key(CLIENT.private_key_pem.bytes(), None)
        encryption = serialization.BestAvailableEncryption(password.encode())
        return self.write("key.pem", key.private_bytes(serialization.Encoding.PEM, form, encryption))


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Files:
    """A directory for this test's certificates."""
    return Files(tmp_path)


def server_context(leaf: trustme.LeafCert = SERVER) -> ssl.SSLContext:
    """What a server with this certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def demanding_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """What a server speaks that wants a client certificate of our CA."""
    context = server_context()
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(context)
    return context


async def greeting(
    options: WebSocketRequestOptions, server: ssl.SSLContext, host: str = HOST, alpn: list[str] | None = None
) -> bytes:
    """What a client with these options reads from that server."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(greet, theirs, server)
        stream = await start_tls(ours, host, await trio.to_thread.run_sync(client_context, options))
        if alpn is not None:
            alpn.append(str(stream.selected_alpn_protocol()))
        async with stream:
            return bytes(await stream.receive_some())  # noqa: ASYNC121  # the greeter is through
    raise AssertionError


async def refusal(
    options: WebSocketRequestOptions, server: ssl.SSLContext, host: str = HOST
) -> BusinessError:
    """With which error a client with these options fails the handshake with that server."""
    with pytest.RaisesGroup(BusinessError) as caught:
        await greeting(options, server, host)
    error = caught.value.exceptions[0]
    assert isinstance(error, BusinessError)
    return error


@pytest.mark.parametrize("host", [HOST, "a.wild.example", "xn--r8jz45g.jp", "127.0.0.1", "::1"])
async def test_a_trusted_server(files: Files, host: str) -> None:
    """A certificate of the given CA for the name or address that was dialled is taken."""
    options = WebSocketRequestOptions(ca_path=files.ca())

    assert b"hello" == await greeting(options, server_context(), host)


@pytest.mark.parametrize(
    ("host", "name"), [(HOST, HOST), ("xn--r8jz45g.jp", "xn--r8jz45g.jp"), ("127.0.0.1", None), ("::1", None)]
)
async def test_a_server_is_told_its_name(files: Files, host: str, name: str | None) -> None:
    """SNI has the name that was dialled, and no address: RFC 6066 section 3 forbids that."""
    told: list[str | None] = []
    context = server_context()
    context.sni_callback = lambda _socket, name, _context: told.append(name)
    await greeting(WebSocketRequestOptions(ca_path=files.ca()), context, host)

    assert [name] == told


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("evil.example", "TLS: certificate verify failed: hostname mismatch"),
        ("wild.example", "TLS: certificate verify failed: hostname mismatch"),
        ("127.0.0.2", "TLS: certificate verify failed: IP address mismatch"),
        ("::2", "TLS: certificate verify failed: IP address mismatch"),
    ],
)
async def test_a_certificate_for_another_host(files: Files, host: str, words: str) -> None:
    """A certificate must be for what was dialled, whoever signed it."""
    error = await refusal(WebSocketRequestOptions(ca_path=files.ca()), server_context(), host)

    assert (2302999, "0") == (error.code, error.data)
    assert words in error.message


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        (OTHER_CA.issue_cert(HOST), "unable to get local issuer certificate"),
        (CA.issue_cert(HOST, not_before=LONG_AGO, not_after=YESTERDAY), "certificate has expired"),
        (
            CA.issue_cert(HOST, not_before=dt.datetime(2090, 1, 1, tzinfo=dt.UTC)),
            "is not yet valid",
        ),
    ],
    ids=["unknown CA", "expired", "not yet valid"],
)
async def test_a_bad_certificate(files: Files, leaf: trustme.LeafCert, words: str) -> None:
    """A certificate must be of a trusted CA and valid today."""
    error = await refusal(WebSocketRequestOptions(ca_path=files.ca()), server_context(leaf))

    assert (2302999, "0") == (error.code, error.data)
    assert error.message.startswith("Websocket other unknown error: TLS: certificate verify failed: ")
    assert words in error.message
    assert isinstance(error.__cause__, trio.BrokenResourceError)
    assert isinstance(error.__cause__.__cause__, ssl.SSLCertVerificationError)


async def test_an_intermediate_may_be_the_anchor(files: Files) -> None:
    """What ca_path lists is trusted, though it is not a root."""
    child = CA.create_child_ca()
    options = WebSocketRequestOptions(ca_path=files.ca(child))

    assert b"hello" == await greeting(options, server_context(child.issue_cert(HOST)))


async def test_a_directory_of_authorities(files: Files) -> None:
    """Every certificate in a directory counts, whatever the file's name; the rest is passed over."""
    files.write("one.crt", OTHER_CA.cert_pem.bytes())
    files.write("two", CA.cert_pem.bytes())
    files.write("README", b"no certificate")
    (files.directory / "certs").mkdir()
    (files.directory / "5ed36f99.0").symlink_to("two")
    options = WebSocketRequestOptions(ca_path=files.directory)

    assert b"hello" == await greeting(options, server_context())
    assert b"hello" == await greeting(options, server_context(OTHER_CA.issue_cert(HOST)))


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the system's store is not a file there")
async def test_the_system_s_store_is_the_default(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ca_path the system's store decides, client certificate or not."""
    options = WebSocketRequestOptions()
    with_client_cert = WebSocketRequestOptions(client_cert=ClientCert(files.cert(), files.key()))
    error = await refusal(options, server_context())
    monkeypatch.setenv("SSL_CERT_FILE", files.ca())

    assert "certificate verify failed" in error.message
    assert b"hello" == await greeting(options, server_context())
    assert b"hello" == await greeting(with_client_cert, demanding_context(TLS13))


def test_connections_share_the_system_s_store(files: Files) -> None:
    """Only options of their own cost a context of their own."""
    shared = client_context(WebSocketRequestOptions())

    assert shared is client_context(WebSocketRequestOptions(header={"a": "b"}))
    assert shared is not client_context(WebSocketRequestOptions(ca_path=files.ca()))
    assert shared is not client_context(
        WebSocketRequestOptions(client_cert=ClientCert(files.cert(), files.key()))
    )


def test_every_context_verifies(files: Files) -> None:
    """Whatever the options: certificates and host names are checked, and TLS 1.2 is the least."""
    client_cert = ClientCert(files.cert(), files.key())
    for options in (
        WebSocketRequestOptions(),
        WebSocketRequestOptions(ca_path=files.ca()),
        WebSocketRequestOptions(client_cert=client_cert),
        WebSocketRequestOptions(ca_path=files.ca(), client_cert=client_cert),
    ):
        context = client_context(options)

        assert ssl.CERT_REQUIRED == context.verify_mode
        assert context.check_hostname
        assert ssl.TLSVersion.TLSv1_2 == context.minimum_version


@pytest.mark.parametrize("name", [HOST, "evil.example"])
async def test_verification_can_be_skipped(files: Files, name: str) -> None:
    """Who asks for it by name takes any certificate: another CA, another host, with or without ca_path."""
    server = server_context(OTHER_CA.issue_cert(name))
    for ca_path in (None, files.ca()):
        options = WebSocketRequestOptions(ca_path=ca_path, skip_server_cert_verification=True)

        assert b"hello" == await greeting(options, server)


def test_skipping_verification_is_not_shared(files: Files) -> None:
    """A connection that skips verification takes nothing from those that do not."""
    skipping = client_context(WebSocketRequestOptions(skip_server_cert_verification=True))
    shared = client_context(WebSocketRequestOptions())

    assert (ssl.CERT_NONE, False) == (skipping.verify_mode, skipping.check_hostname)
    assert (ssl.CERT_REQUIRED, True) == (shared.verify_mode, shared.check_hostname)
    assert TLS12 == skipping.minimum_version


@pytest.mark.parametrize(
    ("protocol", "oldest"),
    [
        (None, TLS12),
        (TlsProtocol.TLS_V_1_0, TLS12),
        (TlsProtocol.TLS_V_1_1, TLS12),
        (TlsProtocol.TLS_V_1_2, TLS12),
        (TlsProtocol.TLS_V_1_3, TLS13),
    ],
)
def test_the_least_version(files: Files, protocol: TlsProtocol | None, oldest: ssl.TLSVersion) -> None:
    """The option raises the least version of TLS, and never takes it below 1.2."""
    for ca_path in (None, files.ca()):
        options = WebSocketRequestOptions(ca_path=ca_path, min_support_tls_protocol=protocol)

        assert oldest == client_context(options).minimum_version


async def test_a_server_below_the_least_version(files: Files) -> None:
    """A server that does not reach the version asked for is refused."""
    server = server_context()
    server.maximum_version = TLS12
    options = WebSocketRequestOptions(ca_path=files.ca(), min_support_tls_protocol=TlsProtocol.TLS_V_1_3)
    error = await refusal(options, server)

    assert "TLS: the server speaks no TLS version that is accepted here" in error.message


async def test_only_http_1_is_offered(files: Files) -> None:
    """A server that prefers HTTP/2 is told to speak HTTP/1.1."""
    server = server_context()
    server.set_alpn_protocols(["h2", "http/1.1"])
    alpn: list[str] = []
    await greeting(WebSocketRequestOptions(ca_path=files.ca()), server, alpn=alpn)

    assert ["http/1.1"] == alpn


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_an_old_tls_version(files: Files) -> None:
    """TLS 1.1 is refused, and the message says what is missing."""
    server = server_context()
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")
    error = await refusal(WebSocketRequestOptions(ca_path=files.ca()), server)

    assert "TLS: the server speaks no TLS version that is accepted here (1.2 at least)" in error.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS: the server does not speak TLS on this port"),
        (b"", "TLS: the server closed the connection"),
    ],
)
async def test_a_server_without_tls(files: Files, answer: bytes, words: str) -> None:
    """A plaintext answer and a hang-up are told apart."""
    context = client_context(WebSocketRequestOptions(ca_path=files.ca()))
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(answer)
    await theirs.send_eof()
    with pytest.raises(BusinessError) as caught:
        await start_tls(ours, HOST, context)

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert words in caught.value.message
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"x")


async def test_a_link_that_breaks_in_the_handshake(files: Files) -> None:
    """Without a word from TLS, the message says that the connection broke."""
    context = client_context(WebSocketRequestOptions(ca_path=files.ca()))
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.aclose()
    with pytest.raises(BusinessError) as caught:
        await start_tls(ours, HOST, context)

    assert "TLS: the connection broke during the handshake" in caught.value.message


async def test_a_cancelled_handshake_closes_the_transport(files: Files) -> None:
    """If cancelled, start_tls leaves no open stream, and Cancelled goes on."""
    context = client_context(WebSocketRequestOptions(ca_path=files.ca()))
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(start_tls, ours, HOST, context)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert b"\x16\x03" == (await theirs.receive_some())[:2]
    assert b"" == await theirs.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"x")


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize(
    ("form", "password"),
    [
        (None, None),
        (serialization.PrivateFormat.PKCS8, "pässword"),
        (serialization.PrivateFormat.TraditionalOpenSSL, "pw"),
    ],
)
async def test_mutual_tls(
    files: Files, version: ssl.TLSVersion, form: serialization.PrivateFormat | None, password: str | None
) -> None:
    """A server that wants a certificate gets ours, with a plain or an encrypted key."""
    key = files.key() if form is None or password is None else files.encrypted_key(form, password)
    options = WebSocketRequestOptions(ca_path=files.ca(), client_cert=ClientCert(files.cert(), key, password))

    assert b"hello" == await greeting(options, demanding_context(version))


async def test_tls12_without_a_client_certificate(files: Files) -> None:
    """Under TLS 1.2 the handshake fails, and the message guesses why."""
    error = await refusal(WebSocketRequestOptions(ca_path=files.ca()), demanding_context(TLS12))

    assert "TLS: the server broke off; it may require a client certificate" in error.message


async def test_tls12_with_a_rogue_client_certificate(files: Files) -> None:
    """Under TLS 1.2 the handshake fails with the server's reason."""
    rogue = OTHER_CA.issue_cert("client@example.org")
    options = WebSocketRequestOptions(
        ca_path=files.ca(), client_cert=ClientCert(files.cert(rogue), files.key(rogue))
    )
    error = await refusal(options, demanding_context(TLS12))

    assert "TLS: the server refused our client certificate, or the lack of one (unknown ca)" in error.message


async def test_tls13_tells_at_the_first_read(files: Files) -> None:
    """Under TLS 1.3 the refusal comes after the handshake, and its error explains itself."""
    rogue = OTHER_CA.issue_cert("client@example.org")
    ca_path = files.ca()
    without = WebSocketRequestOptions(ca_path=ca_path)
    wrong = WebSocketRequestOptions(
        ca_path=ca_path, client_cert=ClientCert(files.cert(rogue), files.key(rogue))
    )
    for options, words in (
        (without, "the server requires a client certificate"),
        (wrong, "the server refused our client certificate, or the lack of one (unknown ca)"),
    ):
        with pytest.RaisesGroup(trio.BrokenResourceError) as caught:
            await greeting(options, demanding_context(TLS13))

        assert words == tls_trouble(caught.value.exceptions[0])
        assert f"TLS: {words}" == explain(caught.value.exceptions[0])


def test_tls_trouble_of_other_errors() -> None:
    """An error in which TLS has no part is not explained by it."""
    assert None is tls_trouble(trio.BrokenResourceError("reset"))
    assert None is explain(trio.BrokenResourceError("reset"))


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_tls_trouble_of_hanging_up(kind: type[ssl.SSLError]) -> None:
    """Which error an end within the handshake is depends on the OpenSSL; the words do not."""
    assert "the server closed the connection" == tls_trouble(kind(1, "TLS/SSL connection has been closed"))


def test_tls_trouble_without_a_name() -> None:
    """What OpenSSL has no name for is told in its own words."""
    assert "a sentence" == tls_trouble(ssl.SSLError(1, "a sentence"))


@pytest.mark.parametrize(
    ("cert", "key", "password", "words"),
    [
        (b"garbage", None, None, "'cert_path' ('certPath') '{cert}' holds no certificate in PEM"),
        (b"", None, None, "'cert_path' ('certPath') '{cert}' holds no certificate in PEM"),
        (CLIENT.private_key_pem.bytes(), None, None, "'{cert}' holds no certificate in PEM"),
        (None, b"garbage", None, "'key_path' ('keyPath') '{key}' holds no private key in PEM"),
        (None, b"", None, "'key_path' ('keyPath') '{key}' holds no private key in PEM"),
        (None, CLIENT.cert_chain_pems[0].bytes(), None, "'{key}' holds no private key in PEM"),
        (None, SERVER.private_key_pem.bytes(), None, "'{key}' is not the key of the certificate"),
        (
            None,
            CA.issue_cert("rsa.example", key_type=trustme.KeyType.RSA).private_key_pem.bytes(),
            None,
            "'{key}' is not the key of the certificate",
        ),
    ],
    ids=range(8),
)
def test_a_bad_client_certificate(
    files: Files, cert: bytes | None, key: bytes | None, password: str | None, words: str
) -> None:
    """The message says which of the two files is at fault, and how."""
    cert_path = files.cert() if cert is None else files.write("cert.pem", cert)
    key_path = files.key() if key is None else files.write("key.pem", key)
    options = WebSocketRequestOptions(client_cert=ClientCert(cert_path, key_path, password))
    with pytest.raises(BusinessError) as caught:
        client_context(options)

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert words.format(cert=cert_path, key=key_path) in caught.value.message


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
@pytest.mark.parametrize(
    ("password", "words"),
    [
        (None, "is encrypted, and there is no password for it"),
        ("hunter2", "does not open with this password"),
        ("hunter2" * 1000, "does not open with this password"),
    ],
)
def test_a_wrong_key_password(
    files: Files, form: serialization.PrivateFormat, password: str | None, words: str
) -> None:
    """A missing and a wrong password are told apart, and never shown; nobody is asked at a terminal."""
    client_cert = ClientCert(files.cert(), files.encrypted_key(form, "right"), password)
    with pytest.raises(BusinessError) as caught:
        client_context(WebSocketRequestOptions(client_cert=client_cert))

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert words in caught.value.message
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("content", [b"", b"garbage", CLIENT.private_key_pem.bytes()])
def test_a_ca_path_without_certificate(files: Files, content: bytes) -> None:
    """A file, or a directory, that holds no certificate is 2302999."""
    for ca_path in (files.write("ca.pem", content), str(files.directory)):
        with pytest.raises(BusinessError) as caught:
            client_context(WebSocketRequestOptions(ca_path=ca_path))

        assert (2302999, "0") == (caught.value.code, caught.value.data)
        assert f"'ca_path' ('caPath') {ca_path!r} holds no certificate in PEM" in caught.value.message


def test_files_that_are_none(files: Files) -> None:
    """A directory or a pipe in place of a file is refused at once."""
    pipe = str(files.directory / "pipe")
    os.mkfifo(pipe)
    directory = str(files.directory)
    for options, words in (
        (WebSocketRequestOptions(ca_path=pipe), f"'ca_path' ('caPath') {pipe!r} is not a file"),
        (WebSocketRequestOptions(client_cert=ClientCert(directory, pipe)), f"{directory!r} is not a file"),
        (WebSocketRequestOptions(client_cert=ClientCert(files.cert(), pipe)), f"{pipe!r} is not a file"),
    ):
        with pytest.raises(BusinessError) as caught:
            client_context(options)

        assert 2302999 == caught.value.code
        assert words in caught.value.message


def test_a_file_that_cannot_be_read() -> None:
    """A file that the system does not hand out is 2302999 with the system's reason."""
    with pytest.raises(BusinessError) as caught:
        client_context(WebSocketRequestOptions(ca_path="/" + "x" * 5000))

    assert 2302999 == caught.value.code
    assert "cannot be read (File name too long)" in caught.value.message


def test_files_that_vanish(files: Files) -> None:
    """A file that goes between check and use is as missing as one that never was."""
    options = WebSocketRequestOptions(ca_path=files.ca())
    check_files(options)
    (files.directory / "ca.pem").unlink()
    with pytest.raises(BusinessError) as caught:
        client_context(options)

    assert 2302002 == caught.value.code


def test_files_that_exist(files: Files) -> None:
    """Existing files and directories, and no files at all, pass."""
    check_files(WebSocketRequestOptions())
    check_files(WebSocketRequestOptions(ca_path=files.directory))
    check_files(
        WebSocketRequestOptions(ca_path=files.ca(), client_cert=ClientCert(files.cert(), files.key()))
    )


@pytest.mark.parametrize("missing", ["ca_path", "cert_path", "key_path"])
def test_a_missing_file(files: Files, missing: str) -> None:
    """A file that does not exist is 2302002, and the message names option and path."""
    paths = {"ca_path": files.ca(), "cert_path": files.cert(), "key_path": files.key()}
    paths[missing] += ".missing"
    options = WebSocketRequestOptions(
        ca_path=paths["ca_path"], client_cert=ClientCert(paths["cert_path"], paths["key_path"])
    )
    with pytest.raises(BusinessError) as caught:
        check_files(options)

    assert (2302002, None) == (caught.value.code, caught.value.data)
    assert caught.value.message.startswith(f"Websocket certificate file does not exist: '{missing}'")
    assert paths[missing] in caught.value.message
