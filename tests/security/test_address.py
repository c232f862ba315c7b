"""With private addresses forbidden, no spelling and no DNS answer leads to one."""

import errno

import pytest
import trio

from tests._dial.network import FailingSocket, Names, Sockets
from trio_ohws import BusinessError, Policy, create_websocket

GLOBAL = "93.184.216.34"

PRIVATE = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.1",
    "\u2460\u2461\u2466.0.0.1",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "localhost",
    "LOCALHOST.",
    "\uff4cocalhost",
    "a.localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "10.0.0.1",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", PRIVATE)
async def test_no_spelling_of_a_private_address_is_dialled(host: str) -> None:
    """However it is written, the address is refused before the resolver or a socket is asked."""
    resolver, sockets = Names("127.0.0.1"), Sockets()
    trio.socket.set_custom_hostname_resolver(resolver)
    trio.socket.set_custom_socket_factory(sockets)
    async with create_websocket(policy=Policy(allow_private_addresses=False)) as ws:
        with pytest.raises(BusinessError) as caught:
            await ws.connect(f"ws://{host}/")

    assert caught.value.code in (2302001, 2302998)
    assert ([], []) == (resolver.asked, sockets.real)


@pytest.mark.parametrize(
    "private", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%lo", "169.254.169.254"]
)
async def test_of_a_mixed_dns_answer_the_private_part_is_left_out(private: str) -> None:
    """Where an answer has private and public addresses only the latter are dialled, in whatever order."""
    dialled: list[object] = []

    class Remembering(FailingSocket):
        async def connect(self, address: object) -> None:
            dialled.append(address)
            await super().connect(address)

    sockets = Sockets(*(Remembering(OSError(errno.ECONNREFUSED, "")) for _ in range(3)))
    trio.socket.set_custom_hostname_resolver(Names(private, GLOBAL, private))
    trio.socket.set_custom_socket_factory(sockets)
    async with create_websocket(policy=Policy(allow_private_addresses=False)) as ws:
        with pytest.raises(BusinessError):
            await ws.connect("ws://rebind.test/")

    assert [(GLOBAL, 80)] == dialled
