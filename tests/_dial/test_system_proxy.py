"""The system's proxy: which variable counts, and what happens if none does."""

import os
import urllib.request
from collections.abc import Mapping

import pytest

from trio_ohws._dial.proxy import choose_proxy
from trio_ohws._dial.system_proxy import environment_proxy, platform_proxy, system_proxy
from trio_ohws.errors import BusinessError
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.proxy_server import ProxyServer
from trio_ohws.url import parse_url

WS = parse_url("ws://server.example")
WSS = parse_url("wss://server.example")
SECRET = "s3cr3t"

# The environment; the proxy's host for ws and for wss
ENVIRONMENTS: list[tuple[dict[str, str], str | None, str | None]] = [
    ({}, None, None),
    ({"http_proxy": "http://a"}, "a", None),
    ({"https_proxy": "http://a"}, None, "a"),
    ({"all_proxy": "http://a"}, "a", "a"),
    ({"HTTP_PROXY": "http://a"}, "a", None),
    ({"HTTPS_PROXY": "http://a"}, None, "a"),
    ({"ALL_PROXY": "http://a"}, "a", "a"),
    ({"http_proxy": "http://a", "https_proxy": "http://b", "all_proxy": "http://c"}, "a", "b"),
    ({"http_proxy": "http://a", "all_proxy": "http://c"}, "a", "c"),
    ({"HTTPS_PROXY": "http://b", "all_proxy": "http://c"}, "c", "b"),
    ({"http_proxy": "http://a", "HTTP_PROXY": "http://b"}, "a", None),
    ({"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, None, "a"),
    ({"all_proxy": "http://a", "ALL_PROXY": "http://b"}, "a", "a"),
    ({"http_proxy": "", "HTTP_PROXY": "http://b"}, None, None),
    ({"http_proxy": "", "all_proxy": "http://c"}, "c", "c"),
    ({"HTTP_PROXY": "http://a", "REQUEST_METHOD": "GET"}, None, None),
    ({"HTTP_PROXY": "http://a", "REQUEST_METHOD": ""}, None, None),
    ({"HTTP_PROXY": "http://a", "ALL_PROXY": "http://b", "REQUEST_METHOD": "GET"}, "b", "b"),
    ({"http_proxy": "http://a", "HTTP_PROXY": "http://b", "REQUEST_METHOD": "GET"}, "a", None),
    ({"HTTPS_PROXY": "http://a", "REQUEST_METHOD": "GET"}, None, "a"),
    ({"Http_Proxy": "http://a", "ws_proxy": "http://b", "ftp_proxy": "http://c"}, None, None),
    ({"http_proxy": "a:3128"}, "a", None),
    ({"http_proxy": " http://a "}, "a", None),
    ({"all_proxy": "socks5h://a"}, "a", "a"),
]


@pytest.mark.parametrize(("environment", "plain", "secure"), ENVIRONMENTS)
def test_which_variable(environment: dict[str, str], plain: str | None, secure: str | None) -> None:
    """The scheme's variable comes before all_proxy, the lower case before the upper; CGI is no door."""
    servers = [environment_proxy(url, environment) for url in (WS, WSS)]

    assert [plain, secure] == [server and server.host for server in servers]


@pytest.mark.parametrize(
    ("value", "server"),
    [
        ("p:3128", ProxyServer("http", "p", 3128)),
        ("u:s@p:3128", ProxyServer("http", "p", 3128, "u", "s")),
        ("http://u:s@p:3128/", ProxyServer("http", "p", 3128, "u", "s")),
        ("https://p", ProxyServer("https", "p", 443)),
        ("socks5://[::1]:1", ProxyServer("socks5", "::1", 1)),
    ],
)
def test_what_a_variable_says(value: str, server: ProxyServer) -> None:
    """A variable is a proxy's URL, of an HTTP proxy if there is no scheme."""
    found = environment_proxy(WS, {"http_proxy": value})

    assert found is not None
    assert (server, ("",)) == (
        ProxyServer(found.scheme, found.host, found.port, found.username, found.password),
        found.exclusion_list,
    )


@pytest.mark.parametrize(
    ("environment", "items"),
    [
        ({}, ""),
        ({"no_proxy": "a,b"}, "a,b"),
        ({"NO_PROXY": "a"}, "a"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "a"),
        ({"no_proxy": "", "NO_PROXY": "*"}, ""),
    ],
)
def test_which_exclusions(environment: dict[str, str], items: str) -> None:
    """The list of exclusions comes from no_proxy, in either case, the lower one first."""
    server = environment_proxy(WS, {"http_proxy": "p", **environment})

    assert server is not None
    assert (items,) == server.exclusion_list


@pytest.mark.parametrize("value", [f"ftp://u:{SECRET}@p", f"http://u:{SECRET}/@p", f"u:{SECRET}"])
@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
def test_a_variable_that_makes_no_sense(name: str, value: str) -> None:
    """A slip of the pen fails the connection instead of passing the proxy by; the value is not repeated."""
    with pytest.raises(BusinessError) as caught:
        environment_proxy(WSS, {name: value})

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert f"the environment's {name.lower()} is not the URL of a proxy: " in caught.value.message
    assert SECRET not in f"{caught.value} {caught.value.__cause__!r}"


def clean(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Give this process an environment without proxies other than these."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


async def test_the_environment_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read anew for each connection."""
    clean(monkeypatch, {"HTTP_PROXY": "http://a", "no_proxy": "excluded.example"})

    server = await system_proxy(WS)
    assert server is not None
    assert ("a", ("excluded.example",)) == (server.host, server.exclusion_list)

    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert await system_proxy(WS) is None


async def test_an_environment_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is set, nothing is between us and the server."""
    clean(monkeypatch, {})
    monkeypatch.setattr(urllib.request, "getproxies", dict)

    assert await system_proxy(WS) is None
    assert await choose_proxy(WS, WebSocketRequestOptions()) is None


async def test_the_platform_is_asked_if_the_environment_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any variable about proxies, if only a list of exclusions, stands for all settings, as with urllib."""
    clean(monkeypatch, {})
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"http": "http://a:1"})
    assert ProxyServer("http", "a", 1) == await system_proxy(WS)
    assert await system_proxy(WSS) is None

    monkeypatch.setattr(urllib.request, "getproxies", lambda: pytest.fail("the platform was asked"))
    monkeypatch.setenv("no_proxy", "excluded.example")
    assert await system_proxy(WS) is None


def nobody(_host: str) -> bool:
    """A platform's list of exclusions that is empty."""
    return False


def test_the_platforms_settings() -> None:
    """What the platform has for http is for ws, and its https for wss."""
    settings = {"http": "http://a:1", "https": "https://b:2", "ftp": "http://c:3"}

    assert ProxyServer("http", "a", 1) == platform_proxy(WS, settings, nobody)
    assert ProxyServer("https", "b", 2) == platform_proxy(WSS, settings, nobody)
    assert platform_proxy(WS, {"https": "https://b:2"}, nobody) is None
    assert platform_proxy(WS, {}, nobody) is None


@pytest.mark.parametrize(
    ("url", "asked"),
    [("ws://server.example:8080", "server.example"), ("ws://10.0.0.1", "10.0.0.1"), ("ws://[::1]", "[::1]")],
)
def test_the_platforms_exclusions(url: str, asked: str) -> None:
    """Whom the platform excludes is its own affair: it is asked by the host."""
    hosts: list[str] = []

    def everybody(host: str) -> int:
        hosts.append(host)
        return 1

    assert platform_proxy(parse_url(url), {"http": "http://a"}, everybody) is None
    assert [asked] == hosts


def test_a_setting_of_the_platform_that_makes_no_sense() -> None:
    """A setting of the platform's that is no proxy's URL fails the connection, too."""
    with pytest.raises(BusinessError) as caught:
        platform_proxy(WS, {"http": f"socks://u:{SECRET}@p"}, nobody)

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert "the system's setting is not the URL of a proxy: it must start with one of" in caught.value.message
    assert SECRET not in f"{caught.value} {caught.value.__cause__!r}"
