"""The policy: which hosts and addresses pass, and which code tells that one does not."""

import dataclasses
import ipaddress
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import trio
from hypothesis import strategies as st

from trio_ohws import BusinessError, Policy, WebSocket, create_websocket
from trio_ohws.policy import UNRESTRICTED
from trio_ohws.testing import MemoryNetwork, MemoryPeer

OFFLINE = Policy(internet=False)
GLOBAL = Policy(allow_private_addresses=False)

# allowed_domains, a host, whether it may be reached
DOMAINS: list[tuple[list[str], str, bool]] = [
    (["example.com"], "example.com", True),
    (["example.com"], "EXAMPLE.com", True),
    (["example.com"], "example.com.", True),
    (["Example.Com."], "example.com", True),
    (["example.com"], "www.example.com", False),
    (["example.com"], "evilexample.com", False),
    (["example.com"], "example.com.evil.org", False),
    (["example.com"], "com", False),
    (["*.example.com"], "www.example.com", True),
    (["*.example.com"], "a.b.example.com", True),
    (["*.example.com"], "example.com", False),
    (["*.example.com"], ".example.com", False),
    (["*.example.com"], "evilexample.com", False),
    (["*.example.com."], "www.Example.com.", True),
    (["*.com"], "example.com", True),
    (["localhost"], "localhost", True),
    (["localhost"], "127.0.0.1", False),
    (["127.0.0.1"], "127.0.0.1", True),
    (["127.0.0.1"], "127.0.0.2", False),
    (["127.0.0.1"], "localhost", False),
    (["*.example.com", "10.0.0.1"], "10.0.0.1", True),
    (["::1"], "::1", True),
    (["::1"], "[::1]", True),
    (["[::1]"], "0:0::1", True),
    (["2001:DB8::1"], "2001:db8:0::1", True),
    (["::1"], "::2", False),
    (["::ffff:7f00:1"], "127.0.0.1", False),
    (["bücher.example"], "xn--bcher-kva.example", True),
    (["xn--bcher-kva.example"], "BÜCHER.example", True),
    (["*.bücher.example"], "www.bücher.example", True),
    (["bücher.example"], "buecher.example", False),
    ([], "example.com", False),
    (["a.example", "b.example"], "b.example", True),
    (["example.com"], "", False),
    (["example.com"], "exam ple.com", False),
    (["example.com"], "example.com:80", False),
    (["example.com"], "example.com/", False),
    (["example.com"], "user@example.com", False),
    (["example.com"], "example.com?", False),
    (["fe80::1"], "fe80::1%eth0", False),
]

PRIVATE = [
    "0.0.0.0",  # noqa: S104  # nobody binds to it
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:7f00:1",
    "::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


def refused(check: Callable[[str], None], value: str) -> bool:
    """Whether a check refuses, which it does with 2302998 only."""
    try:
        check(value)
    except BusinessError as error:
        if (error.code, error.data) != (2302998, None):
            raise
        return True
    return False


def test_everything_is_allowed_by_default() -> None:
    """Without arguments a policy withholds nothing."""
    UNRESTRICTED.check_permission()
    UNRESTRICTED.check_host("localhost")
    UNRESTRICTED.check_address("127.0.0.1")

    assert Policy() == UNRESTRICTED


def test_the_permission() -> None:
    """Without the permission everything is 201."""
    with pytest.raises(BusinessError) as caught:
        OFFLINE.check_permission()

    assert (201, None) == (caught.value.code, caught.value.data)
    assert "Permission denied: the policy withholds ohos.permission.INTERNET" == caught.value.message


@pytest.mark.parametrize(("domains", "host", "allowed"), DOMAINS)
def test_allowed_domains(domains: list[str], host: str, allowed: bool) -> None:
    """A host passes if it is listed, or below a suffix that is, however the two are spelled."""
    assert allowed == (not refused(Policy(allowed_domains=domains).check_host, host))


LABELS = st.from_regex(r"[a-z0-9_-]{1,3}", fullmatch=True)
NAMES = st.builds(lambda labels, last: ".".join([*labels, f"x{last}"]), st.lists(LABELS, max_size=3), LABELS)


@hypothesis.given(host=NAMES, suffix=NAMES)
def test_a_suffix_allows_nothing_beside_it(host: str, suffix: str) -> None:
    """A pattern allows what is below its suffix, and nothing that only looks like it."""
    policy = Policy(allowed_domains=[f"*.{suffix}"])
    below = host.endswith(f".{suffix}")

    assert below == (not refused(policy.check_host, host))
    assert not refused(policy.check_host, f"{host}.{suffix}")
    assert refused(policy.check_host, f"{host}-{suffix}")
    assert refused(policy.check_host, suffix)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """Whatever does not lead to the public Internet is refused, by itself or within another address."""
    assert refused(GLOBAL.check_address, address)
    assert refused(GLOBAL.check_host, address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Whatever leads to the public Internet is allowed."""
    assert not refused(GLOBAL.check_address, address)
    assert not refused(GLOBAL.check_host, address)


@hypothesis.given(st.ip_addresses())
def test_no_address_is_public_against_python(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """What Python's own table has for private is never allowed, unless a public IPv4 address is inside."""
    if isinstance(address, ipaddress.IPv6Address):  # which of these count as private depends on the Python
        hypothesis.assume(address.ipv4_mapped is None and address.sixtofour is None)
    if address.is_private or address.is_multicast or address.is_link_local or address.is_loopback:
        assert refused(GLOBAL.check_address, str(address))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", True),
        ("localhost", False),
        ("LOCALHOST.", False),
        ("a.b.localhost", False),
        ("notlocalhost", True),
        ("localhost.example.com", True),
    ],
)
def test_names_for_loopback(host: str, allowed: bool) -> None:
    """A name like localhost or one below it is the loopback address, whoever resolves it."""
    assert allowed == (not refused(GLOBAL.check_host, host))


def test_both_lists_must_pass() -> None:
    """A listed private address is still private, a public address still has to be listed."""
    policy = Policy(allowed_domains=["10.0.0.1", "8.8.8.8"], allow_private_addresses=False)

    assert [False, True, True] == [
        refused(policy.check_host, host) for host in ("8.8.8.8", "10.0.0.1", "1.1.1.1")
    ]


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "0x7f000001", "::1::", "127.1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """What cannot be judged is not dialled."""
    assert refused(GLOBAL.check_address, text)


def test_words() -> None:
    """A refusal names the host."""
    policy = Policy(allowed_domains=["example.com"])
    with pytest.raises(BusinessError, match=r"allow private addresses such as '10\.0\.0\.1'$"):
        GLOBAL.check_host("10.0.0.1")
    with pytest.raises(BusinessError, match=r"the policy does not list 'example\.org'$"):
        policy.check_host("example.org")
    with pytest.raises(BusinessError, match=r"'a b' is not a host$"):
        policy.check_host("a b")
    with pytest.raises(BusinessError, match=r"'a b' is not an address$"):
        GLOBAL.check_address("a b")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"internet": None}, "internet must be a bool, not NoneType"),
        ({"internet": 1}, "internet must be a bool, not int"),
        ({"allow_private_addresses": "no"}, "allow_private_addresses must be a bool, not str"),
        ({"allowed_domains": "example.com"}, "allowed_domains must be a sequence of str, or None, not str"),
        ({"allowed_domains": {"example.com"}}, "allowed_domains must be a sequence of str, or None, not set"),
        ({"allowed_domains": ["a", 5]}, "allowed_domains must be a sequence of str; 5 is none"),
    ],
)
def test_wrong_types(arguments: dict[str, Any], sentence: str) -> None:
    """An argument of another type is refused when the policy is made."""
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        Policy(**arguments)


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "*",
        "*.",
        "*.*",
        "*example.com",
        "www.*.com",
        ".example.com",
        "example..com",
        "example.com:80",
        "https://example.com",
        "example.com/",
        "user@example.com",
        "10.0.0.0/8",
        "*.10.0.0.1",
        "*.[::1]",
        "1.2.3",
        "[example.com]",
        "fe80::1%eth0",
        "a b",
    ],
)
def test_domains_that_are_none(domain: str) -> None:
    """What could never match, or might match more than it says, is refused when the policy is made."""
    with pytest.raises(ValueError, match=rf"^allowed_domains: {re.escape(repr(domain))} is not a host"):
        Policy(allowed_domains=["example.com", domain])


def test_a_policy_cannot_be_changed() -> None:
    """What was decided stays decided, whatever becomes of the list that was passed."""
    domains = ["example.com"]
    policy = Policy(allowed_domains=domains)
    domains.append("evil.example")
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.internet = True  # type: ignore[misc]  # what is tested

    assert ("example.com",) == policy.allowed_domains
    assert policy == dataclasses.replace(policy, internet=True)
    assert hash(policy) == hash(Policy(allowed_domains=["example.com"]))


# The facade

CALLS: list[tuple[str, Callable[[WebSocket], Awaitable[object]], int]] = [
    ("connect with no str", lambda ws: ws.connect(5), 401),  # type: ignore[call-overload]  # what is tested
    ("connect with an unknown option", lambda ws: ws.connect("nonsense", {"nonsense": 1}), 401),
    ("connect with no URL", lambda ws: ws.connect("nonsense"), 201),
    ("connect", lambda ws: ws.connect("ws://example.test"), 201),
    ("send with no data", lambda ws: ws.send(5), 401),  # type: ignore[call-overload]  # what is tested
    ("send", lambda ws: ws.send("text"), 201),
    ("close with a code that may not be sent", lambda ws: ws.close({"code": 999}), 401),
    ("close", lambda ws: ws.close(), 201),
]


@pytest.mark.parametrize(
    ("call", "code"), [(call, code) for _, call, code in CALLS], ids=[call[0] for call in CALLS]
)
async def test_without_the_permission(call: Callable[[WebSocket], Awaitable[object]], code: int) -> None:
    """connect, send and close are 201 after 401, and no error event is told."""
    async with create_websocket(policy=OFFLINE) as ws:
        ws.on("error", lambda _err: pytest.fail("an error was told"))
        with pytest.raises(BusinessError) as caught:
            await call(ws)

    assert code == caught.value.code


async def test_without_the_permission_by_callback() -> None:
    """The callback forms tell 201 to the callback."""
    told: list[int] = []
    done = trio.Event()

    def tell(err: BusinessError, _value: object) -> None:
        told.append(err.code)
        if len(told) == 3:
            done.set()

    async with create_websocket(policy=OFFLINE) as ws:
        ws.connect("ws://example.test", tell)
        ws.send("text", tell)
        ws.close(tell)
        await done.wait()

    assert [201, 201, 201] == told


async def test_send_nowait_without_the_permission() -> None:
    """send_nowait is refused like send."""
    async with create_websocket(policy=OFFLINE) as ws:
        with pytest.raises(BusinessError) as caught:
            ws.send_nowait("text")

    assert 201 == caught.value.code


@pytest.mark.parametrize(
    ("policy", "url", "options", "code"),
    [
        (GLOBAL, "http://localhost", {"caPath": "/nowhere"}, 2302001),
        (GLOBAL, "ws://localhost", {"caPath": "/nowhere"}, 2302998),
        (GLOBAL, "ws://127.0.0.1", {"caPath": "/nowhere"}, 2302998),
        (GLOBAL, "ws://[::1]", {"caPath": "/nowhere"}, 2302998),
        (GLOBAL, "ws://example.test", {"caPath": "/nowhere"}, 2302002),
        (GLOBAL, "ws://localhost", {"nonsense": 1}, 401),
        (Policy(allowed_domains=["a.test"]), "ws://b.test", {"caPath": "/nowhere"}, 2302998),
        (Policy(allowed_domains=["a.test"]), "ws://A.test:81/p", {"caPath": "/nowhere"}, 2302002),
        (Policy(allowed_domains=["a.test"]), "ws://b.test", {"proxy": "http://a.test"}, 2302998),
        (GLOBAL, "ws://10.0.0.1", {"proxy": "http://a.test"}, 2302998),
        (Policy(internet=False, allowed_domains=[]), "ws://b.test", None, 201),
    ],
)
async def test_the_order_of_checks(
    policy: Policy,
    url: str,
    options: dict[str, Any] | None,
    code: int,
    websocket_network: MemoryNetwork,
) -> None:
    """401, 201, 2302001, 2302998, 2302002: the first that applies is told, and nothing is dialled."""
    async with create_websocket(policy=policy) as ws:
        with pytest.raises(BusinessError) as caught:
            await ws.connect(url, options)

    assert code == caught.value.code
    assert [] == websocket_network.peers


async def test_an_open_socket_is_2302003_after_the_policy(
    tmp_path: Path, websocket_network: MemoryNetwork
) -> None:
    """A host that is not allowed comes before a socket that is in use already."""
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket(policy=Policy(allowed_domains=["a.test"])) as ws:
        await ws.connect("ws://a.test")
        codes = []
        for url, path in (
            ("ws://b.test", tmp_path),
            ("ws://a.test", "/nowhere"),
            ("ws://a.test", tmp_path),
        ):
            with pytest.raises(BusinessError) as caught:
                await ws.connect(url, {"caPath": str(path)})
            codes.append(caught.value.code)

    assert [2302998, 2302002, 2302003] == codes


async def test_an_allowed_host_is_connected_to(websocket_network: MemoryNetwork) -> None:
    """A policy that allows a host is not in its way."""
    websocket_network.serve(MemoryPeer.accept)
    policy = Policy(allowed_domains=["*.example.test"], allow_private_addresses=False)
    async with create_websocket(policy=policy) as ws:
        assert await ws.connect("ws://www.example.test") is True


async def test_an_address_is_judged_when_dialled() -> None:
    """A name that resolves to a private address is 2302998, though the name itself passed."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]

    class Rebinding(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *arguments: Any) -> Any:
            await trio.lowlevel.checkpoint()
            return await trio.socket.getaddrinfo("127.0.0.1", port)

        async def getnameinfo(self, *arguments: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Rebinding())
    told: list[tuple[int, str | None]] = []
    async with create_websocket(policy=GLOBAL) as ws:
        ws.on("error", lambda err: told.append((err.code, err.data)))
        with pytest.raises(BusinessError) as caught:
            await ws.connect(f"ws://rebound.test:{port}")
        assert "closed" == ws.state

    assert 2302998 == caught.value.code
    with trio.move_on_after(0) as scope:
        await listeners[0].accept()
    assert scope.cancelled_caught
    await listeners[0].aclose()
    assert [] == told
