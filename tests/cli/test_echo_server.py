"""`echo-server`, and the server that is in it."""

import re
from functools import partial

import pytest
import trio

from tests.certificates import Certificates
from tests.cli.program import call, run_program, running_program
from tests.cli.screen import on_screen
from trio_ohws import CloseResult, open_websocket
from trio_ohws.cli.echo_server import EchoServer


def test_it_says_where_it_is() -> None:
    """The first line is a URL, at which everything comes back until a signal ends it with Close 1001."""

    async def talk() -> tuple[str | bytes, CloseResult]:
        async with open_websocket(url) as ws:
            await ws.send("hello")
            answer = await ws.receive()
            server.process.terminate()
            return answer, await ws.wait_closed()

    with running_program("echo-server") as server:
        url = server.line().strip()
        answer, result = trio.run(talk)
        ended = server.end()

    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/", url)
    assert "hello" == answer
    assert (1001, "the server ends", True) == (result.code, result.reason, result.clean)
    assert 143 == ended.status
    assert "connection 1 opened\ninterrupted\n" == ended.trouble


def test_it_serves_our_own_client_over_tls(certificates: Certificates) -> None:
    """With a certificate it speaks TLS; what is no TLS does not end it."""
    shown = ["--cert", certificates.path("server.pem"), "--key", certificates.path("server.key")]
    with running_program("echo-server", "--host", "localhost", "--quiet", *shown) as server:
        url = server.line().strip()
        wrong = run_program("ping", url.replace("wss:", "ws:"), "--connect-timeout", "0.1")
        right = run_program("ping", url, "-c", "1", "--ca", certificates.ca)
        ended = server.interrupt()

    assert url.startswith("wss://localhost:")
    assert (1, 0) == (wrong.status, right.status)
    assert (130, "interrupted\n") == (ended.status, ended.trouble)


def test_at_a_terminal() -> None:
    """Ctrl-C ends it."""
    with on_screen("echo-server", "--port", "0") as screen:
        screen.expect("ws://127.0.0.1:")
        screen.type("\x03")
        status, rest = screen.end()

    assert 130 == status
    assert rest.endswith("interrupted\r\n")


@pytest.mark.parametrize(
    ("choices", "offered", "chosen"),
    [((), "a, b", "a"), (("b",), "a, b", "b"), (("c",), "a, b", None)],
)
async def test_subprotocols(
    choices: tuple[str, ...], offered: str, chosen: str | None, nursery: trio.Nursery
) -> None:
    """The first that a client offers and the server has."""
    port = await nursery.start(EchoServer(choices).run, "127.0.0.1", 0)
    async with open_websocket(f"ws://127.0.0.1:{port}/", {"protocol": offered}) as ws:
        assert chosen == ws.subprotocol


async def test_a_message_that_is_too_large(nursery: trio.Nursery) -> None:
    """The client gets Close 1009."""
    port = await nursery.start(partial(EchoServer(max_size=10).run, "127.0.0.1", 0))
    async with open_websocket(f"ws://127.0.0.1:{port}/") as ws:
        await ws.send("x" * 11)

        assert 1009 == (await ws.wait_closed()).code


def test_used_wrongly(certificates: Certificates, capsys: pytest.CaptureFixture[str]) -> None:
    """An address that is not ours, a certificate that is none, a key alone: status 2, and words."""
    certificate = certificates.path("server.pem")

    assert 2 == call("echo-server", "--host", "192.0.2.1")
    assert "cannot listen on 192.0.2.1 port 0: " in capsys.readouterr().err
    assert 2 == call("echo-server", "--cert", certificate)
    assert f"cannot use {certificate}: no certificate and key" in capsys.readouterr().err
    assert 2 == call("echo-server", "--cert", f"{certificate}?")
    assert "No such file" in capsys.readouterr().err
    assert 2 == call("echo-server", "--key", certificate)
    assert "--cert" in capsys.readouterr().err
    assert 2 == call("echo-server", "--port", "70000")
    assert "must be a port" in capsys.readouterr().err
