"""nginx in front of an echo server: what it passes on, what it refuses, and when it cuts."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

import trio_ohws
from tests.certificates import Certificates
from tests.echo_server import echo_server
from tests.interop.nginx import LOOPBACK, PROXIED, Site, proxied, running, with_tls
from tests.journal import Journal

IDLE_S = 2
"""After how many seconds of silence nginx cuts, in the tests of that; its timers are lazy by 0.3 s."""
PATIENCE = f"proxy_read_timeout {IDLE_S}s;"


async def echoed(url: str, options: Any = None, **settings: Any) -> object:
    """What the server makes of a word."""
    async with trio_ohws.open_websocket(url, options, **settings) as ws:
        await ws.send("word")
        return await ws.receive()


async def refusal(url: str, options: Any = None, **settings: Any) -> trio_ohws.BusinessError:
    """The error of an attempt that fails, after the `error` event that goes with it."""
    async with trio_ohws.create_websocket(**settings) as ws:
        journal = Journal(ws)
        with pytest.raises(trio_ohws.BusinessError) as caught:
            await ws.connect(url, options)
        assert [("error", 200, caught.value.data)] == journal.entries
    assert 2302999 == caught.value.code
    return caught.value


# Passed on


@pytest.mark.parametrize(
    ("mutual", "http2"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["TLS", "client certificate", "h2 offered", "client certificate and h2 offered"],
)
async def test_through_nginx(
    mutual: bool, http2: bool, tmp_path: Path, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """Messages, the subprotocol and the closing handshake come through, with h2 on offer too."""
    site = with_tls(proxied(await echo_server(nursery)), certificates, mutual=mutual, http2=http2)
    options: dict[str, Any] = {"caPath": certificates.ca, "protocol": "chat"}
    if mutual:
        options["clientCert"] = certificates.client_cert()
    data = bytes(range(256)) * 4096
    with running(tmp_path, site) as [port]:
        async with trio_ohws.open_websocket(f"wss://localhost:{port}/feed", options) as ws:
            await ws.send("word")
            await ws.send(data)

            assert "chat" == ws.subprotocol
            assert str(ws.response_headers["server"]).startswith("nginx")
            assert ["word", data] == [await ws.receive(), await ws.receive()]
            assert 0 < await ws.ping()
            await ws.close({"code": 4000, "reason": "done"})
        assert trio_ohws.CloseResult(4000, "done", clean=True, by="local") == ws.close_result


async def test_without_tls(tmp_path: Path, nursery: trio.Nursery) -> None:
    """A `ws://` URL goes through as well."""
    with running(tmp_path, Site(proxied(await echo_server(nursery)))) as [port]:
        assert "word" == await echoed(f"ws://{LOOPBACK}:{port}")


async def test_the_name_chooses_the_site(
    tmp_path: Path, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """SNI and Host carry the name, and an address is no name: the two of one port get different sites."""
    site = with_tls(
        "server_name localhost; if ($ssl_server_name != localhost) { return 421; }"
        + proxied(await echo_server(nursery)),
        certificates,
    )
    with running(tmp_path, site) as [port]:
        assert "word" == await echoed(f"wss://localhost:{port}", {"caPath": certificates.ca})
        error = await refusal(f"wss://{LOOPBACK}:{port}", {"caPath": certificates.ca})
        assert "421" == error.data


async def test_h2_is_for_those_who_offer_it(
    tmp_path: Path, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """A context of one's own that offers h2 gets it, and the error says that this is no HTTP/1.1."""
    site = with_tls(proxied(await echo_server(nursery)), certificates, http2=True)
    context = ssl.create_default_context(cafile=certificates.ca)
    with running(tmp_path, site) as [port]:
        assert "word" == await echoed(f"wss://localhost:{port}", ssl_context=context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        error = await refusal(f"wss://localhost:{port}", ssl_context=context)
        assert "the answer is not HTTP" in error.message


# Refused


ANSWERS: list[tuple[str, str, str]] = [
    ("return 200", "200", "server answered 200 OK"),
    ("return 204", "204", "server answered 204 No Content"),
    ("return 301 wss://localhost:{port}/echo", "301", "server answered 301 Moved Permanently"),
    ("return 302 wss://localhost:{port}/echo", "302", "server answered 302 Moved Temporarily"),
    ("return 303 wss://localhost:{port}/echo", "303", "server answered 303 See Other"),
    ("return 307 wss://localhost:{port}/echo", "307", "server answered 307 Temporary Redirect"),
    ("return 308 wss://localhost:{port}/echo", "308", "server answered 308 Permanent Redirect"),
    ('auth_basic "who"; auth_basic_user_file {folder}/users', "401", "server answered 401 Unauthorized"),
    ("deny all", "403", "server answered 403 Forbidden"),
    ("root {folder}/nothing", "404", "server answered 404 Not Found"),
    ("return 426", "426", "server answered 426"),
    ("return 429", "429", "server answered 429 Too Many Requests"),
    ("proxy_pass http://127.0.0.1:{unused}", "502", "server answered 502 Bad Gateway"),
    ("return 503", "503", "server answered 503 Service Temporarily Unavailable"),
    ("proxy_read_timeout 100ms; proxy_pass http://127.0.0.1:{mute}", "504", "504 Gateway Time-out"),
]
"""What nginx is told, the status, and the words of the error."""


@pytest.mark.parametrize(("directives", "status", "words"), ANSWERS, ids=[row[1] for row in ANSWERS])
async def test_what_nginx_answers(
    directives: str,
    status: str,
    words: str,
    tmp_path: Path,
    certificates: Certificates,
    nursery: trio.Nursery,
) -> None:
    """An answer other than 101 is 2302999 with the status as `data`; no redirect is followed."""

    async def say_nothing(stream: trio.SocketStream) -> None:
        async with stream:
            async for _ in stream:
                pass

    [mute] = await trio.open_tcp_listeners(0, host=LOOPBACK)
    nursery.start_soon(trio.serve_listeners, say_nothing, [mute])
    [unused] = await trio.open_tcp_listeners(0, host=LOOPBACK)
    ports = {"unused": unused.socket.getsockname()[1], "mute": mute.socket.getsockname()[1]}
    await unused.aclose()
    (tmp_path / "users").write_text("user:{PLAIN}password\n")
    echo = await echo_server(nursery)
    told = directives.format(folder=tmp_path, port="$server_port", **ports)
    site = with_tls(
        f"location /told {{ {told}; }} location /echo {{ proxy_pass http://{LOOPBACK}:{echo}; {PROXIED} }}",
        certificates,
    )
    with running(tmp_path, site) as [port]:
        error = await refusal(f"wss://localhost:{port}/told", {"caPath": certificates.ca})

        assert status == error.data
        assert words in error.message
        assert "word" == await echoed(f"wss://localhost:{port}/echo", {"caPath": certificates.ca})


async def test_basic_credentials(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Who sends the header that a 401 asks for is let in."""
    (tmp_path / "users").write_text("user:{PLAIN}password\n")
    guarded = f'auth_basic "who"; auth_basic_user_file {tmp_path}/users;'
    options = {"header": {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}}
    with running(tmp_path, Site(proxied(await echo_server(nursery), guarded))) as [port]:
        assert "word" == await echoed(f"ws://{LOOPBACK}:{port}", options)


async def test_too_many_requests(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Who is over the limit gets 429, and the same object connects where there is none."""
    limited = proxied(await echo_server(nursery), "limit_req zone=once; limit_req_status 429;")
    free = proxied(await echo_server(nursery))
    with running(tmp_path, Site(limited), Site(free)) as ports:
        url, other = (f"ws://{LOOPBACK}:{port}" for port in ports)
        async with trio_ohws.create_websocket() as ws:
            await ws.connect(url)
            await ws.close()
            with pytest.raises(trio_ohws.BusinessError, match="server answered 429 Too Many Requests"):
                await ws.connect(url)

            assert await ws.connect(other)


async def test_a_proxy_that_forgets_to_upgrade(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Without the two headers of nginx's own documentation the server sees no upgrade, and says 400."""
    port = await echo_server(nursery)
    with running(tmp_path, Site(f"location / {{ proxy_pass http://{LOOPBACK}:{port}; }}")) as [front]:
        error = await refusal(f"ws://{LOOPBACK}:{front}")

        assert "400" == error.data


# Cut


async def test_an_idle_connection_is_cut(
    tmp_path: Path, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """A silent connection is dropped by nginx without a Close: that is an error, and 1006."""
    site = with_tls(proxied(await echo_server(nursery), PATIENCE), certificates)
    options = {"caPath": certificates.ca, "pingInterval": 0}
    with running(tmp_path, site) as [port]:
        async with trio_ohws.create_websocket() as ws:
            journal = Journal(ws, but=("headerReceive", "open"))
            await ws.connect(f"wss://localhost:{port}", options)
            result = await ws.wait_closed()

    assert (1006, "The link is down", False, "link") == (result.code, result.reason, result.clean, result.by)
    assert [("error", 200, "0"), ("close", 1006, "The link is down")] == journal.entries


async def test_pings_keep_an_idle_connection(
    tmp_path: Path, certificates: Certificates, nursery: trio.Nursery
) -> None:
    """Pings more frequent than nginx's patience keep a connection on which nothing else happens."""
    site = with_tls(proxied(await echo_server(nursery), PATIENCE), certificates)
    with running(tmp_path, site) as [port]:
        url, options = f"wss://localhost:{port}", {"caPath": certificates.ca}
        async with trio_ohws.open_websocket(url, options, ping_interval=IDLE_S / 8) as ws:
            with trio.move_on_after(1.5 * IDLE_S):
                await ws.wait_closed()

            assert "open" == ws.state
            await ws.send("word")
            assert "word" == await ws.receive()


async def test_nginx_ends(tmp_path: Path, nursery: trio.Nursery) -> None:
    """When nginx goes away the connections through it are lost, and whoever waits is told."""
    async with trio_ohws.create_websocket() as ws:
        with running(tmp_path, Site(proxied(await echo_server(nursery)))) as [port]:
            await ws.connect(f"ws://{LOOPBACK}:{port}")
        with pytest.raises(trio_ohws.ConnectionLost, match="the link is down"):
            await ws.receive()
