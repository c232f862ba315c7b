"""Through proxies that other people wrote, to a server that other people wrote."""

import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

import trio_ohws
from tests.interop.peer import LIBRARIES
from tests.interop.proxies import LOOPBACK, PASSWORD, USERNAME, microsocks, squid, stunnel, tinyproxy

KNOWN = f"{USERNAME}:{PASSWORD}@"
WRONG = f"{USERNAME}:s3cr3t@"
CA = trustme.CA()

# A name for the test, the proxy, and how it is named to us; what is in braces is a port.
WAYS = [
    ("tinyproxy", "tinyproxy", "http://127.0.0.1:{}"),
    ("tinyproxy by an object", "tinyproxy", None),
    ("tinyproxy with credentials", "tinyproxy, closed", f"http://{KNOWN}127.0.0.1:{{}}"),
    ("tinyproxy with credentials by an object", "tinyproxy, closed", None),
    ("squid", "squid", "http://localhost:{}"),
    ("squid with Basic", "squid, closed", f"http://{KNOWN}127.0.0.1:{{}}"),
    ("stunnel in front of tinyproxy", "stunnel", "https://localhost:{}"),
    ("stunnel in front of squid with Basic", "stunnel, closed", f"https://{KNOWN}127.0.0.1:{{}}"),
    ("microsocks", "microsocks", f"socks5h://{KNOWN}127.0.0.1:{{}}"),
    ("microsocks with our look-up", "microsocks", f"socks5://{KNOWN}127.0.0.1:{{}}"),
]


class Network:
    """The processes of these tests, started when first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.ports: dict[str, int] = {}

    def port(self, name: str) -> int:
        """The port of a proxy, or of the server behind them."""
        if name not in self.ports:
            self.ports[name] = self._start(name)
        return self.ports[name]

    def _start(self, name: str) -> int:
        match name.split(", "):
            case ["server"]:
                url = self.stack.enter_context(LIBRARIES[0].running())
                return int(url.removeprefix(f"ws://{LOOPBACK}:").partition("/")[0])
            case ["server with TLS"]:
                program = stunnel(self.port("server"), CA)
            case ["tinyproxy", *closed]:
                program = tinyproxy(credentials=bool(closed))
            case ["squid", *closed]:
                program = squid(credentials=bool(closed))
            case ["microsocks", *_]:
                program = microsocks()
            case ["stunnel"]:
                program = stunnel(self.port("tinyproxy"), CA)
            case ["stunnel", "closed"]:
                program = stunnel(self.port("squid, closed"), CA)
            case _:
                program = stunnel(self.port("tinyproxy"), CA, wants_certificate=True)
        return self.stack.enter_context(program.running())


@pytest.fixture(scope="module")
def network() -> Generator[Network]:
    """All processes of this module; ended with it."""
    with ExitStack() as stack:
        yield Network(stack)


@pytest.fixture(scope="module")
def ca_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA of everything that speaks TLS here."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    CA.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(params=WAYS, ids=[way[0] for way in WAYS])
def proxy(request: pytest.FixtureRequest, network: Network) -> str | dict[str, Any]:
    """A running proxy as an option names it."""
    _, name, template = request.param
    port = network.port(name)
    if template is not None:
        return str(template.format(port))
    known = {"username": USERNAME, "password": PASSWORD} if name.endswith("closed") else {}
    return {"host": LOOPBACK, "port": port, "exclusionList": [], **known}


# What is started in a fixture skips its test by name; inside an async test the name would be lost.


@pytest.fixture
def port(request: pytest.FixtureRequest, network: Network) -> int:
    """The port of the proxy that a test asks for by name."""
    return network.port(request.param)


@pytest.fixture
def server(network: Network) -> str:
    """The server's host and port, without TLS."""
    return f"localhost:{network.port('server')}"


@pytest.fixture
def secure_server(network: Network) -> str:
    """The server's host and port, with TLS."""
    return f"localhost:{network.port('server with TLS')}"


@pytest.mark.parametrize("host", ["localhost", LOOPBACK])
async def test_ws(server: str, ca_path: Path, proxy: str | dict[str, Any], host: str) -> None:
    """Text and a large binary message come back through the tunnel, and it closes cleanly."""
    data = os.urandom(1 << 20)
    url = f"ws://{server.replace('localhost', host)}/"
    async with trio_ohws.open_websocket(url, {"proxy": proxy, "caPath": str(ca_path)}) as ws:
        await ws.send("hello")
        await ws.send(data)

        assert "hello" == await ws.receive()
        assert data == await ws.receive()
    result = ws.close_result

    assert result is not None
    assert (1000, True) == (result.code, result.clean)


async def test_wss(secure_server: str, ca_path: Path, proxy: str | dict[str, Any]) -> None:
    """TLS goes through the tunnel to the server, whatever the proxy itself speaks."""
    data = os.urandom(1 << 20)
    async with trio_ohws.open_websocket(
        f"wss://{secure_server}/", {"proxy": proxy, "caPath": str(ca_path)}
    ) as ws:
        await ws.send(data)

        assert data == await ws.receive()


async def refused(url: str, options: dict[str, Any], port: int | None = None) -> str:
    """With which words connecting fails: 2302999, one error event, and data "0" in both."""
    told: list[tuple[int, str | None]] = []
    async with trio_ohws.create_websocket() as ws:
        ws.on("error", lambda err: told.append((err.code, err.data)))
        ws.on("close", lambda _err, _value: pytest.fail("close was told"))
        with pytest.raises(trio_ohws.BusinessError) as caught:
            await ws.connect(url, options)

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert [(200, "0")] == told
    assert "s3cr3t" not in repr(caught.value)
    return (
        caught.value.message.partition(f"proxy {LOOPBACK} port {port} ")[2] if port else caught.value.message
    )


@pytest.mark.parametrize(
    ("port", "template", "words"),
    [
        (
            "tinyproxy, closed",
            "http://127.0.0.1:{}",
            "answered 407 Proxy Authentication Required: authentication failed, as it wants",
        ),
        (
            "tinyproxy, closed",
            f"http://{WRONG}127.0.0.1:{{}}",
            "answered 401 Unauthorized: authentication failed, as it does not accept",
        ),
        (
            "squid, closed",
            "http://127.0.0.1:{}",
            "answered 407 Proxy Authentication Required: authentication failed, as it wants",
        ),
        (
            "squid, closed",
            f"http://{WRONG}127.0.0.1:{{}}",
            "answered 407 Proxy Authentication Required: authentication failed, as it does not accept",
        ),
        ("microsocks", "socks5h://127.0.0.1:{}", "refused: authentication failed, as it wants"),
        (
            "microsocks",
            f"socks5h://{WRONG}127.0.0.1:{{}}",
            "refused: authentication failed, as it does not accept",
        ),
        ("microsocks", "http://127.0.0.1:{}", "does not speak HTTP"),
    ],
    indirect=["port"],
)
async def test_the_proxy_refuses_us(server: str, port: int, template: str, words: str) -> None:
    """Missing and wrong credentials, and the wrong protocol, are told as what they are."""
    assert (await refused(f"ws://{server}/", {"proxy": template.format(port)}, port)).startswith(words)


@pytest.mark.parametrize(
    ("port", "template", "words"),
    [
        ("tinyproxy", "http://127.0.0.1:{}", "answered 500 Internal Server Error"),
        ("squid", "http://127.0.0.1:{}", "answered 503 Service Unavailable"),
        (
            "microsocks",
            f"socks5h://{KNOWN}127.0.0.1:{{}}",
            "refused with code 5: the server refused the connection",
        ),
    ],
    indirect=["port"],
)
async def test_the_proxy_cannot_reach_the_server(port: int, template: str, words: str) -> None:
    """The proxy's status says that the server is out of its reach."""
    # Port 1 of the loopback interface: nobody listens there.
    assert words == await refused(f"ws://{LOOPBACK}:1/", {"proxy": template.format(port)}, port)


@pytest.mark.parametrize("port", ["stunnel"], indirect=True)
async def test_a_proxy_that_nobody_vouches_for(server: str, port: int) -> None:
    """The certificate of an https proxy is verified."""
    message = await refused(f"ws://{server}/", {"proxy": f"https://{WRONG}localhost:{port}"})

    assert "TLS to the proxy localhost port" in message
    assert "certificate verify failed" in message


@pytest.mark.parametrize("port", ["stunnel that wants a certificate"], indirect=True)
async def test_a_proxy_that_wants_a_certificate(server: str, port: int, ca_path: Path) -> None:
    """An https proxy that wants to know us by a certificate is told as such, even if its alert is lost."""
    options = {"proxy": f"https://{LOOPBACK}:{port}", "caPath": str(ca_path)}
    message = await refused(f"ws://{server}/", options, port)

    assert message in {
        "broke off TLS: the server requires a client certificate",
        "broke the connection without an answer; it may require a client certificate",
    }


@pytest.mark.parametrize("word", [None, "system"])
@pytest.mark.parametrize("port", ["squid, closed"], indirect=True)
async def test_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, server: str, port: int, word: str | None
) -> None:
    """The environment's proxy is used, credentials and all, except for who is excluded."""
    url = f"ws://{server}/"
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("HTTP_PROXY", f"http://{KNOWN}127.0.0.1:{port}")
    async with trio_ohws.open_websocket(url, {"proxy": word}) as ws:
        await ws.send("through")
        assert "through" == await ws.receive()

    monkeypatch.setenv("http_proxy", f"{WRONG}127.0.0.1:{port}")
    assert "answered 407 " in await refused(url, {"proxy": word})

    monkeypatch.setenv("NO_PROXY", ".example.org, localhost")
    async with trio_ohws.open_websocket(url, {"proxy": word}) as ws:
        await ws.send("past it")
        assert "past it" == await ws.receive()


@pytest.mark.parametrize("port", ["tinyproxy"], indirect=True)
async def test_a_policy_judges_the_name_that_the_proxy_is_told(server: str, port: int) -> None:
    """What the policy does not list is not asked of the proxy."""
    policy = trio_ohws.Policy(allowed_domains=["localhost"])
    options = {"proxy": f"http://{LOOPBACK}:{port}"}
    async with trio_ohws.open_websocket(f"ws://{server}/", options, policy=policy) as ws:
        await ws.send("hello")
        assert "hello" == await ws.receive()
    async with trio_ohws.create_websocket(policy=policy) as ws:
        with pytest.raises(trio_ohws.BusinessError) as caught:
            await ws.connect(f"ws://{server.replace('localhost', LOOPBACK)}/", options)

    assert 2302998 == caught.value.code
