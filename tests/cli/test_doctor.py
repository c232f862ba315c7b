"""`doctor`: what it finds, and what it advises."""

import json
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trustme

from tests._dial.network import Names
from tests.certificates import Certificates
from tests.cli.conftest import serving
from tests.cli.program import call, run_program
from tests.cli.screen import on_screen
from tests.scripted_peer import CLOSE, Peer, polite
from tests.served import served
from tests.tls_server import greet
from trio_ohws.cli.echo_server import EchoServer
from trio_ohws.cli.examination import Examination
from trio_ohws.cli.parser import Parser
from trio_ohws.cli.target import declare_target, target_of

SECRET = "sesame"


def examine(url: str, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run it in this process; its status and what it prints."""
    status = call("doctor", url, *options)
    output, trouble = capsys.readouterr()
    assert SECRET not in output + trouble
    return status, output.splitlines()


def checks(lines: list[str]) -> list[str]:
    """What was looked at, and with what verdict."""
    return [f"{line[:6].strip()} {line[6:18].strip()}".strip() for line in lines[1:-1] if line[6:18].strip()]


def line_of(check: str, lines: list[str]) -> str:
    """The line of a check."""
    return next(line for line in lines if line[6:].startswith(check))


Script = Callable[[Peer], Awaitable[None]]


@contextmanager
def tried(script: Callable[[Peer], Awaitable[object]]) -> Generator[str]:
    """Serve by a script; every other connection is nothing but a trial, which is expected."""
    connections = 0

    async def serve(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        if connections % 2:
            assert not await peer.stream.receive_some()
        else:
            await script(peer)

    with served(serve) as url:
        yield url


def answering(head: str) -> Script:
    """A server that answers so."""

    async def answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")

    return answer


WELL = ["ok proxy", "ok TCP", "ok handshake", "ok subprotocol", "ok extensions", "ok ping", "ok close"]


def test_all_is_well(node: str) -> None:
    """Each step is told, and what the server answered."""
    ended = run_program("doctor", node)
    lines = ended.output.splitlines()

    assert (0, "") == (ended.status, ended.trouble)
    assert WELL == [check for check in checks(lines) if check != "header"]
    assert "header" in checks(lines)
    assert "all is well" == lines[-1]


def test_what_was_offered(node: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A subprotocol and compression are agreed on, or declined."""
    status, lines = examine(node, "--compress", "--subprotocol", "chat.v1", capsys=capsys)

    assert 0 == status
    assert line_of("subprotocol", lines).endswith("chat.v1")
    assert "permessage-deflate" in line_of("extensions", lines)

    with tried(polite) as url:
        status, lines = examine(url, "--compress", "--subprotocol", "chat", capsys=capsys)

    assert 0 == status
    assert {"warn subprotocol", "warn extensions"} <= set(checks(lines))
    assert "0 failed, 2 to look at" == lines[-1]


def test_tls(secure_echo: str, certificates: Certificates, capsys: pytest.CaptureFixture[str]) -> None:
    """The version, the certificate, whom it is for and until when."""
    status, lines = examine(secure_echo, "--ca", certificates.ca, capsys=capsys)

    assert 0 == status
    assert ["ok proxy", "ok DNS", "ok TCP", "ok TLS", "ok certificate"] == checks(lines)[:5]
    assert " TLSv1.3, TLS_" in line_of("TLS", lines)
    assert " for localhost, 127.0.0.1, ::1, issued by " in line_of("certificate", lines)
    assert " days" in line_of("certificate", lines)


def test_a_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where Python tells it, from 3.13 on, every certificate that the server shows is told."""
    authority = trustme.CA()
    server = authority.create_child_ca().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(context) as url:
        status, lines = examine(url, "--ca", str(tmp_path / "ca.pem"), capsys=capsys)

    assert 0 == status
    assert ["ok certificate"] == [check for check in checks(lines) if "certificate" in check]
    assert (sys.version_info >= (3, 13)) == ("ok issuer" in checks(lines))


@pytest.mark.parametrize(
    ("name", "certificate", "advice"),
    [
        ("expired", "FAIL certificate", "has to renew it"),
        ("wronghost", "ok certificate", "a name that the certificate is for: other.test"),
        ("selfsigned", "ok certificate", "trust its authority with --ca FILE"),
        ("rogue", "ok certificate", "trust its authority with --ca FILE"),
    ],
)
def test_certificates_that_are_not_trusted(
    name: str,
    certificate: str,
    advice: str,
    certificates: Certificates,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The certificate is shown although it is refused, and there is advice."""
    with serving(certificates.server_context(name)) as url:
        status, lines = examine(url, "--ca", certificates.ca, capsys=capsys)

    assert 1 == status
    assert [certificate, "FAIL TLS"] == [check for check in checks(lines) if check[-3:] in {"ate", "TLS"}]
    assert "certificate verify failed" in line_of("TLS", lines)
    assert advice in lines[-2]


def test_a_client_certificate_is_missing(
    certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under TLS 1.2 the handshake tells."""
    context = certificates.server_context(mutual=True, version=ssl.TLSVersion.TLSv1_2)

    async def serve(peer: Peer) -> None:
        await greet(peer.stream, context)

    with served(serve) as url:
        secure = url.replace("ws://127.0.0.1", "wss://localhost")
        status, lines = examine(secure, "--ca", certificates.ca, capsys=capsys)

    assert 1 == status
    assert "FAIL TLS" == checks(lines)[-1]
    assert "show a certificate with --cert FILE" in lines[-2]


def test_no_tls(echo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The wrong scheme is recognised."""
    status, lines = examine(echo.replace("ws:", "wss:"), capsys=capsys)

    assert 1 == status
    assert "use ws:// instead of wss://" in lines[-2]


def test_nobody_listens(closed_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends where nothing leads further."""
    status, lines = examine(f"ws://127.0.0.1:{closed_port}/", capsys=capsys)

    assert 1 == status
    assert ["ok proxy", "FAIL TCP"] == checks(lines)
    assert f"nothing listens on port {closed_port} there" in lines[-2]


async def findings_by_name(names: Names, port: int) -> list[tuple[str, str]]:
    """What is found of a server whose name has these addresses."""
    parser = Parser()
    declare_target(parser)
    trio.socket.set_custom_hostname_resolver(names)
    target = target_of(parser.parse_args([f"ws://server.test:{port}/"]))
    found = await Examination(target, lambda finding: None).run()
    return [(finding.verdict, finding.check) for finding in found]


async def test_a_name_that_is_none() -> None:
    """Nothing leads further."""
    names = Names(error=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))

    assert [("ok", "proxy"), ("FAIL", "DNS")] == await findings_by_name(names, 80)


async def test_one_address_of_two(nursery: trio.Nursery) -> None:
    """Each is tried; one that answers is enough."""
    port = await nursery.start(EchoServer().run, "127.0.0.1", 0)
    found = await findings_by_name(Names("127.0.0.2", "127.0.0.1"), port)

    assert [("ok", "DNS"), ("warn", "TCP"), ("ok", "TCP"), ("ok", "handshake")] == found[1:5]


@pytest.mark.parametrize(
    ("head", "words", "advice"),
    [
        (f"HTTP/1.1 401 Unauthorized\nSet-Cookie: {SECRET}", "401 Unauthorized", "-H 'Authorization: ...'"),
        ("HTTP/1.1 403 Forbidden", "403 Forbidden", "-H 'Origin: ...'"),
        ("HTTP/1.1 404 Not Found", "404 Not Found", "check the path"),
        ("HTTP/1.1 301 Moved\nLocation: wss://other.test/", "301", "use the URL in 'location'"),
        ("HTTP/1.1 200 OK", "200 OK", "no WebSocket at this path"),
        ("HTTP/1.1 426 Upgrade Required", "426", "does not like the request"),
        ("HTTP/1.1 502 Bad Gateway", "502", "look into its log"),
        ("HTTP/1.1 503 Busy\nRetry-After: 7", "503", "as 'retry-after' says: 7"),
        ("HTTP/1.1 101 Switching Protocols", "", "may not know WebSockets"),
        ("SSH-2.0-whatever", "", "whether it wants TLS: wss://"),
    ],
)
def test_refusals(head: str, words: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the server answers is told, and each answer has its advice; cookies are not shown."""
    with tried(answering(head)) as url:
        status, lines = examine(url, "-H", f"Authorization: {SECRET}", capsys=capsys)
    place = lines.index(line_of("handshake", lines))

    assert 1 == status
    assert "FAIL" == lines[place][:4]
    assert words in lines[place]
    assert advice in lines[place + 1]


async def no_pongs(peer: Peer) -> None:
    """Answer nothing but Close, and that by hanging up."""
    await peer.accept()
    while (one := await peer.receive()) is not None and one.opcode != CLOSE:
        pass


def test_no_pongs(capsys: pytest.CaptureFixture[str]) -> None:
    """They are missed, and so is the answer to our Close."""
    with tried(no_pongs) as url:
        status, lines = examine(url, "--connect-timeout", "2", capsys=capsys)

    assert 1 == status
    assert ["FAIL ping", "warn close"] == checks(lines)[-2:]


async def tunnel(peer: Peer) -> None:
    """An HTTP proxy."""
    request = await peer.read_request()
    host, _, port = request.split()[1].decode().rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as server, trio.open_nursery() as nursery:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")

        async def pump(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
            while data := await source.receive_some():
                await target.send_all(data)
            nursery.cancel_scope.cancel()

        nursery.start_soon(pump, peer.stream, server)
        nursery.start_soon(pump, server, peer.stream)


def test_through_a_proxy(
    secure_echo: str,
    echo: str,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Which one, why, and how far it leads."""
    monkeypatch.setenv("no_proxy", "elsewhere.test")
    with tried(tunnel) as proxy:
        address = proxy.removeprefix("ws://").removesuffix("/")
        monkeypatch.setenv("all_proxy", f"http://u:{SECRET}@{address}")
        status, lines = examine(secure_echo, "--ca", certificates.ca, capsys=capsys)
        assert (0, "from all_proxy") == (status, line_of("proxy", lines)[-14:])
        assert ["ok proxy", "ok TCP", "ok tunnel", "ok TLS"] == checks(lines)[:4]

        status, lines = examine(echo, "--proxy", f"http://{address}", capsys=capsys)
        assert (0, "by --proxy") == (status, line_of("proxy", lines)[-10:])

        status, lines = examine(echo, "--no-proxy", capsys=capsys)
        assert (0, "none, as --no-proxy says") == (status, line_of("proxy", lines)[-24:])

        monkeypatch.setenv("no_proxy", "127.0.0.1")
        status, lines = examine(echo, capsys=capsys)
        assert 0 == status
        assert "none: all_proxy names one, but no_proxy excludes this server" in line_of("proxy", lines)

        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("all_proxy", f"gopher://{SECRET}")
        status, lines = examine(echo, capsys=capsys)
        assert (1, ["FAIL proxy"]) == (status, checks(lines))


def test_a_proxy_that_refuses(echo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told from a server that does."""
    with tried(answering("HTTP/1.1 407 Who Are You")) as proxy:
        status, lines = examine(echo, "--proxy", proxy.replace("ws:", "http:")[:-1], capsys=capsys)

    assert 1 == status
    assert "FAIL tunnel" == checks(lines)[-1]
    assert "answered 407" in line_of("tunnel", lines)


def test_json(closed_port: int, echo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` has the same findings."""
    assert 0 == call("doctor", echo, "--json")
    good = json.loads(capsys.readouterr().out)
    assert 1 == call("doctor", f"ws://127.0.0.1:{closed_port}/", "--json")
    bad = json.loads(capsys.readouterr().out)

    assert (True, False) == (good["ok"], bad["ok"])
    assert {"ok", "note"} == {finding["verdict"] for finding in good["findings"]}
    assert ("TCP", "fail") == (bad["findings"][-1]["check"], bad["findings"][-1]["verdict"])
    assert "advice" in bad["findings"][-1]


def test_used_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is no finding: status 2."""
    assert 2 == call("doctor", "wss://127.0.0.1:1/", "--ca", "/nowhere")

    assert "'/nowhere'" in capsys.readouterr().err


def test_at_a_terminal(echo: str) -> None:
    """Verdicts have colours there."""
    with on_screen("doctor", echo) as screen:
        screen.expect("\x1b[32mok")
        status, rest = screen.end()

    assert 0 == status
    assert "all is well" in rest
