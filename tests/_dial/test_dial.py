"""Dialling: which stream comes out, which words say why none does, and that nothing leaks."""

from __future__ import annotations

import errno
import pathlib
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest
import trio
import trio.testing
import trustme

from tests._dial.network import (
    LOOPBACK,
    AnsweringSocket,
    Canceller,
    FailingSocket,
    Names,
    Sockets,
    echo_server,
    talk,
)
from trio_ohws._dial.dial import dial
from trio_ohws.errors import BusinessError
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.url import parse_url

CA = trustme.CA()
NAME = "server.example"
CERT = CA.issue_cert(NAME, "127.0.0.1")
DIRECT = WebSocketRequestOptions()
UNREACHABLE = "192.0.2.1"
GLOBAL = Policy(allow_private_addresses=False)
GLOBAL_ADDRESS = "8.8.8.8"
GLOBAL_ADDRESS_6 = "2606:4700::1"


async def refusal(url: str, options: WebSocketRequestOptions = DIRECT) -> BusinessError:
    """With which error dialling fails."""
    with pytest.raises(BusinessError) as caught:
        await dial(parse_url(url), options)
    return caught.value


@pytest.fixture
def trusting(tmp_path: pathlib.Path) -> WebSocketRequestOptions:
    """Options that trust the tests' CA."""
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return WebSocketRequestOptions(ca_path=tmp_path / "ca.pem")


@pytest.fixture
def tls() -> ssl.SSLContext:
    """What a trusted server speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERT.configure_cert(context)
    return context


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of the loopback interface that nobody listens on, and nobody else can take."""
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        yield holder.getsockname()[1]


async def test_ws_is_plain_tcp() -> None:
    """A ws:// URL gives an open socket stream."""
    async with echo_server() as port:
        stream = await dial(parse_url(f"ws://{LOOPBACK}:{port}"), DIRECT)

        assert isinstance(stream, trio.SocketStream)
        assert b"word" == await talk(stream)


@pytest.mark.parametrize("host", [LOOPBACK, NAME, f"{NAME}."])
async def test_wss_is_tls(trusting: WebSocketRequestOptions, tls: ssl.SSLContext, host: str) -> None:
    """A wss:// URL gives a TLS stream that shook hands, verified for the host without its final dot."""
    names: list[str | None] = []
    tls.sni_callback = lambda _connection, name, _context: names.append(name)
    resolver = Names(LOOPBACK)
    trio.socket.set_custom_hostname_resolver(resolver)
    async with echo_server(tls) as port:
        stream = await dial(parse_url(f"wss://{host}:{port}"), trusting)

        assert isinstance(stream, trio.SSLStream)
        assert host.removesuffix(".") == stream.server_hostname
        assert b"word" == await talk(stream)
    assert [None if host == LOOPBACK else NAME] == names
    assert ([] if host == LOOPBACK else [host.encode()]) == resolver.asked


async def test_an_untrusted_server(tls: ssl.SSLContext) -> None:
    """A server that the system's store does not vouch for is 2302999, and its socket is closed."""
    sockets = Sockets()
    async with echo_server(tls) as port:
        trio.socket.set_custom_socket_factory(sockets)
        error = await refusal(f"wss://{LOOPBACK}:{port}")

    assert (2302999, "0") == (error.code, error.data)
    assert "TLS: certificate verify failed: " in error.message
    assert [-1] == [made.fileno() for made in sockets.real]


async def test_a_reset_in_the_handshake(trusting: WebSocketRequestOptions) -> None:
    """A server that resets the connection instead of shaking hands is told apart from a bad certificate."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]

        async def reset() -> None:
            accepted, _ = await trio.to_thread.run_sync(listener.accept)
            # Linger for no time: closing sends a reset.
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reset)
            error = await refusal(f"wss://{LOOPBACK}:{port}", trusting)

    assert (2302999, "0") == (error.code, error.data)
    assert "TLS: the connection broke during the handshake" in error.message


async def test_a_port_where_nobody_listens(closed_port: int) -> None:
    """A refused connection names the host and the port, and keeps its cause."""
    error = await refusal(f"ws://{LOOPBACK}:{closed_port}")

    assert (2302999, "0") == (error.code, error.data)
    assert (
        f"Websocket other unknown error: connection refused by {LOOPBACK} port {closed_port}" == error.message
    )
    assert isinstance(error.__cause__, OSError)
    assert isinstance(error.__cause__.__cause__, ExceptionGroup)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ECONNREFUSED, "connection refused by server.example port 80"),
        (errno.ECONNRESET, "connection reset by server.example port 80"),
        (errno.ETIMEDOUT, "connecting to server.example port 80 timed out"),
        (errno.EHOSTUNREACH, "no route to server.example port 80"),
        (errno.ENETUNREACH, "no network leads to server.example port 80"),
        (errno.EMFILE, "too many open files to connect to server.example port 80"),
        (errno.EADDRNOTAVAIL, "cannot connect to server.example port 80: Cannot assign requested address"),
        (None, "cannot connect to server.example port 80: a sentence"),
    ],
)
@pytest.mark.parametrize("call", ["socket", "connect"])
async def test_why_a_connection_fails(number: int | None, words: str, call: str) -> None:
    """Each reason has its words, once, however many addresses failed for it."""
    error = OSError("a sentence") if number is None else OSError(number, "a sentence")
    failing = [error, error] if call == "socket" else [FailingSocket(error), FailingSocket(error)]
    trio.socket.set_custom_hostname_resolver(Names(UNREACHABLE, UNREACHABLE))
    trio.socket.set_custom_socket_factory(Sockets(*failing))
    refused = await refusal(f"ws://{NAME}")

    assert (2302999, "0") == (refused.code, refused.data)
    assert f"Websocket other unknown error: {words}" == refused.message
    assert all(made.closed for made in failing if isinstance(made, FailingSocket))


async def test_several_reasons() -> None:
    """Addresses that failed for different reasons are all accounted for."""
    failing = [FailingSocket(OSError(number, "")) for number in (errno.ENETUNREACH, errno.ECONNREFUSED)]
    trio.socket.set_custom_hostname_resolver(Names(UNREACHABLE, UNREACHABLE))
    trio.socket.set_custom_socket_factory(Sockets(*failing))
    error = await refusal(f"ws://{NAME}")

    assert "no network leads to server.example port 80; connection refused by server.example" in error.message


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("call", ["socket", "connect"])
@pytest.mark.parametrize("addresses", [1, 2])
async def test_a_forbidden_connection(number: int, call: str, addresses: int) -> None:
    """If socket or connect may not be called for any address, that is 201."""
    error = OSError(number, "no")
    failing = [error if call == "socket" else FailingSocket(error) for _ in range(addresses)]
    trio.socket.set_custom_hostname_resolver(Names(*[UNREACHABLE] * addresses))
    trio.socket.set_custom_socket_factory(Sockets(*failing))
    refused = await refusal(f"ws://{NAME}")

    assert (201, None) == (refused.code, refused.data)
    assert "Permission denied: the operating system forbids connecting to server.example port 80" == (
        refused.message
    )


async def test_a_connection_forbidden_to_one_address_only() -> None:
    """Where another address failed for another reason, the permission is not what is missing."""
    failing = [FailingSocket(OSError(number, "")) for number in (errno.EACCES, errno.ECONNREFUSED)]
    trio.socket.set_custom_hostname_resolver(Names(UNREACHABLE, UNREACHABLE))
    trio.socket.set_custom_socket_factory(Sockets(*failing))
    error = await refusal(f"ws://{NAME}")

    assert 2302999 == error.code


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "Temporary failure"),
        (OSError(errno.EACCES, ""), "Permission denied"),
    ],
)
async def test_a_name_that_does_not_resolve(error: OSError, words: str) -> None:
    """A failed look-up names the host and the resolver's reason; it is 2302999 even for EACCES."""
    trio.socket.set_custom_hostname_resolver(Names(error=error))
    refused = await refusal(f"ws://{NAME}")

    assert (2302999, "0") == (refused.code, refused.data)
    assert f"cannot resolve host '{NAME}': {words}" in refused.message
    assert error is refused.__cause__


async def test_a_name_without_addresses() -> None:
    """A look-up that finds nothing is a failed look-up."""
    trio.socket.set_custom_hostname_resolver(Names())
    error = await refusal(f"ws://{NAME}")

    assert f"cannot resolve host '{NAME}': " in error.message


async def test_a_dead_address_does_not_hold_up_a_live_one(autojump_clock: trio.testing.MockClock) -> None:
    """While one address says nothing, the next is tried (happy eyeballs), and the first is let go."""
    mute = FailingSocket(None)
    trio.socket.set_custom_hostname_resolver(Names(UNREACHABLE, LOOPBACK))
    async with echo_server() as port:
        trio.socket.set_custom_socket_factory(Sockets(mute))
        stream = await dial(parse_url(f"ws://{NAME}:{port}"), DIRECT)

        assert b"word" == await talk(stream)
    assert mute.closed


async def test_private_addresses_are_not_dialled() -> None:
    """Where the policy allows global addresses only, no socket is made for a name that has none."""
    sockets = Sockets()
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK, "10.0.0.1"))
    trio.socket.set_custom_socket_factory(sockets)
    with pytest.raises(BusinessError) as caught:
        await dial(parse_url(f"ws://{NAME}"), DIRECT, GLOBAL)

    assert 2302998 == caught.value.code
    assert f"private addresses such as '{LOOPBACK}'" in caught.value.message
    assert [] == sockets.real


async def test_a_name_is_looked_up_once() -> None:
    """The addresses that were judged are the ones that are dialled: no second answer slips in between."""
    resolver = Names(GLOBAL_ADDRESS, LOOPBACK)
    dialled: list[object] = []

    class Remembering(FailingSocket):
        async def connect(self, address: object) -> None:
            dialled.append(address)
            await super().connect(address)

    failing = [Remembering(OSError(errno.ECONNREFUSED, "")) for _ in range(2)]
    trio.socket.set_custom_hostname_resolver(resolver)
    trio.socket.set_custom_socket_factory(Sockets(*failing))
    with pytest.raises(BusinessError) as caught:
        await dial(parse_url(f"ws://{NAME}"), DIRECT, GLOBAL)

    assert f"Websocket other unknown error: connection refused by {NAME} port 80" == caught.value.message
    assert [NAME.encode()] == resolver.asked
    assert [(GLOBAL_ADDRESS, 80)] == dialled
    assert failing[0].closed


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (None, "no address"),
    ],
)
async def test_a_judged_name_that_does_not_resolve(error: OSError | None, words: str) -> None:
    """A look-up that fails says so, with a policy as without."""
    trio.socket.set_custom_hostname_resolver(Names(error=error))
    with pytest.raises(BusinessError) as caught:
        await dial(parse_url(f"ws://{NAME}"), DIRECT, GLOBAL)

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert f"cannot resolve host '{NAME}': {words}" in caught.value.message


async def test_judged_addresses_are_raced(autojump_clock: trio.testing.MockClock) -> None:
    """A mute address does not hold up the next one, and is let go, where addresses are judged too."""
    mute, answering = FailingSocket(None), AnsweringSocket()
    trio.socket.set_custom_hostname_resolver(Names(GLOBAL_ADDRESS, GLOBAL_ADDRESS_6))
    trio.socket.set_custom_socket_factory(Sockets(mute, answering))
    stream = await dial(parse_url(f"ws://{NAME}"), DIRECT, GLOBAL)

    assert isinstance(stream, trio.SocketStream)
    assert answering is stream.socket
    assert (True, False) == (mute.closed, answering.closed)


async def test_a_race_cancelled_at_every_step(autojump_clock: trio.testing.MockClock) -> None:
    """Two addresses answer at once: wherever that is cancelled, at most the returned socket is open."""
    trio.socket.set_custom_hostname_resolver(Names(GLOBAL_ADDRESS, GLOBAL_ADDRESS_6))
    stream: trio.abc.Stream | None = None
    steps = 0

    async def answer(event: trio.Event) -> None:
        await trio.sleep(0.5)
        event.set()

    while stream is None:
        steps += 1
        both = trio.Event()
        made = [AnsweringSocket(both), AnsweringSocket(both)]
        trio.socket.set_custom_socket_factory(Sockets(*made))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, both)
            with trio.CancelScope() as scope:
                canceller = Canceller(scope, steps)
                trio.lowlevel.add_instrument(canceller)
                try:
                    stream = await dial(parse_url(f"ws://{NAME}"), DIRECT, GLOBAL)
                finally:
                    trio.lowlevel.remove_instrument(canceller)
            nursery.cancel_scope.cancel()

        left = [one for one in made if one.connected and not one.closed]
        assert ([] if stream is None else [stream.socket]) == left  # type: ignore[attr-defined]

    assert steps > 4
    assert [True, True] == [one.connected for one in made]


async def test_a_bad_certificate_file_costs_no_packet(tmp_path: pathlib.Path) -> None:
    """What the options say about TLS is checked before a socket is made."""
    sockets = Sockets()
    trio.socket.set_custom_socket_factory(sockets)
    error = await refusal(f"wss://{LOOPBACK}", WebSocketRequestOptions(ca_path=tmp_path))

    assert (2302999, "0") == (error.code, error.data)
    assert [] == sockets.real


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_cancelled_at_every_step(
    trusting: WebSocketRequestOptions, tls: ssl.SSLContext, scheme: str
) -> None:
    """Wherever dial is cancelled, Cancelled comes through and no socket stays open."""
    sockets = Sockets()
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK, LOOPBACK))
    async with echo_server(tls if scheme == "wss" else None) as port:
        trio.socket.set_custom_socket_factory(sockets)
        url = parse_url(f"{scheme}://{NAME}:{port}")
        steps = 0
        stream: trio.abc.Stream | None = None
        while stream is None:
            steps += 1
            with trio.CancelScope() as scope:
                canceller = Canceller(scope, steps)
                trio.lowlevel.add_instrument(canceller)
                try:
                    stream = await dial(url, trusting)
                finally:
                    trio.lowlevel.remove_instrument(canceller)

            assert scope.cancelled_caught or stream is not None
            if stream is None:
                assert {-1} >= {made.fileno() for made in sockets.real}
        await stream.aclose()

    assert steps > 4
    assert {-1} == {made.fileno() for made in sockets.real}
