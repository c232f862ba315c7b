"""Options: both spellings, every refusal by name, and no secret in any text."""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType
from typing import get_type_hints

import h11
import hypothesis
import pytest
import wsproto
from hypothesis import strategies as st
from wsproto.events import Request

from tests.chain import chain
from trio_ohws.errors import BusinessError
from trio_ohws.options import (
    MAX_HEADERS_SIZE,
    ClientCert,
    HttpProxy,
    RequestHeaders,
    TlsProtocol,
    WebSocketCloseOptions,
    WebSocketRequestOptions,
    close_options,
    request_headers,
    request_options,
    subprotocols,
)

CERT = {"certPath": "c.pem", "keyPath": "k.pem"}
PROXY = {"host": "192.168.0.150", "port": 8888}

# What connect gets, words of the message
REFUSED_REQUEST = [
    (5, "the options must be WebSocketRequestOptions or a mapping, not int"),
    ("caPath", "the options must be WebSocketRequestOptions or a mapping, not str"),
    ([("caPath", "x")], "or a mapping, not list"),
    (WebSocketCloseOptions(), "or a mapping, not WebSocketCloseOptions"),
    ({5: "x"}, "the name of an option of connect must be a str, not int"),
    ({"caPaht": "x"}, "'caPaht' is not an option of connect; did you mean 'caPath'?"),
    ({"ca_paht": "x"}, "'ca_paht' is not an option of connect; did you mean 'ca_path'?"),
    ({"CAPATH": "x"}, "did you mean 'caPath'?"),
    ({"headers": {}}, "did you mean 'header'?"),
    ({"protocols": "x"}, "did you mean 'protocol'?"),
    ({"caPaht": None}, "did you mean 'caPath'?"),
    ({"x" * 1000: 1}, f"'{'x' * 40}...' is not an option of connect"),
    ({"": 1}, "'' is not an option of connect"),
    ({"caPath": "x", "ca_path": "x"}, "'ca_path' ('caPath') is given in both spellings"),
    ({"caPath": None, "ca_path": "x"}, "'ca_path' ('caPath') is given in both spellings"),
    ({"caPath": 5}, "'ca_path' ('caPath') must be a str or a path, not int"),
    ({"caPath": b"x"}, "'ca_path' ('caPath') must be a str or a path, not bytes"),
    ({"caPath": "a\x00b"}, "'ca_path' ('caPath') contains the control character U+0000"),
    ({"clientCert": 5}, "'client_cert' ('clientCert') must be ClientCert or a mapping, not int"),
    ({"clientCert": {}}, "'cert_path' ('certPath') of 'client_cert' ('clientCert') is missing"),
    ({"clientCert": {"certPath": "c"}}, "'key_path' ('keyPath') of 'client_cert' ('clientCert') is missing"),
    ({"clientCert": {"certPath": "c", "keyPath": None}}, "'key_path' ('keyPath') of"),
    ({"clientCert": {"certPath": "", "keyPath": "k"}}, "'cert_path' ('certPath') must not be empty"),
    ({"clientCert": {"certPath": "c", "keyPath": ""}}, "'key_path' ('keyPath') must not be empty"),
    ({"clientCert": {**CERT, "certPath": 1}}, "'cert_path' ('certPath') must be a str or a path, not int"),
    ({"clientCert": {**CERT, "keyPassword": 5}}, "'key_password' ('keyPassword') must be a str, not int"),
    ({"clientCert": {**CERT, "keyPassword": "\ud800"}}, "contains the lone surrogate U+D800"),
    ({"clientCert": {**CERT, "keyPasswort": "x"}}, "did you mean 'keyPassword'?"),
    ({"clientCert": {**CERT, "key_path": "k"}}, "'key_path' ('keyPath') is given in both spellings"),
    ({"proxy": "sytem"}, "'proxy' must be 'system', 'no-proxy', HttpProxy or a URL; did you mean 'system'?"),
    ({"proxy": "noproxy"}, "did you mean 'no-proxy'?"),
    ({"proxy": ""}, "'proxy' must be 'system', 'no-proxy', HttpProxy or a URL"),
    ({"proxy": 5}, "'proxy', if not a str, must be HttpProxy or a mapping, not int"),
    ({"proxy": True}, "must be HttpProxy or a mapping, not bool"),
    ({"proxy": {"host": "h"}}, "'port' of 'proxy' is missing"),
    ({"proxy": {"port": 1}}, "'host' of 'proxy' is missing"),
    ({"proxy": {**PROXY, "exclusionLst": []}}, "did you mean 'exclusionList'?"),
    ({"proxy": {**PROXY, "host": ""}}, "'host' must not be empty"),
    ({"proxy": {**PROXY, "host": 5}}, "'host' must be a str, not int"),
    ({"proxy": {**PROXY, "host": "http://p"}}, "'host' must be the proxy's name or address, not a URL"),
    ({"proxy": {**PROXY, "host": "a b"}}, "'host' must be the proxy's name or address"),
    ({"proxy": {**PROXY, "host": "a\x00b"}}, "'host' must be the proxy's name or address"),
    ({"proxy": {**PROXY, "host": "a\x9b2Jb"}}, "'host' must be the proxy's name or address"),
    ({"proxy": {**PROXY, "host": "a\u202eb"}}, "'host' must be the proxy's name or address"),
    ({"proxy": {**PROXY, "port": "8888"}}, "'port' must be a number, not str"),
    ({"proxy": {**PROXY, "port": True}}, "'port' must be a number, not bool"),
    ({"proxy": {**PROXY, "port": 80.5}}, "'port' must be a whole number, not 80.5"),
    ({"proxy": {**PROXY, "port": 0}}, "'port' must be from 1 to 65535, not 0"),
    ({"proxy": {**PROXY, "port": -1}}, "'port' must be from 1 to 65535, not -1"),
    ({"proxy": {**PROXY, "port": 65536}}, "'port' must be from 1 to 65535, not 65536"),
    ({"proxy": {**PROXY, "username": 5}}, "'username' must be a str, not int"),
    ({"proxy": {**PROXY, "username": "a:b"}}, "'username' must not contain a colon"),
    ({"proxy": {**PROXY, "password": "a\nb"}}, "'password' contains a control character"),
    ({"proxy": {**PROXY, "exclusionList": "h"}}, "'exclusion_list' ('exclusionList') must be a"),
    ({"proxy": {**PROXY, "exclusionList": {"h"}}}, "must be a sequence of str, not set"),
    ({"proxy": {**PROXY, "exclusionList": ["h", 5]}}, "element 2 is int"),
    ({"protocol": 5}, "'protocol' must be a str, not int"),
    ({"protocol": ["a", "b"]}, "'protocol' must be a str, not list"),
    ({"protocol": " "}, "element 1 of 'protocol' is empty"),
    ({"protocol": "a,"}, "element 2 of 'protocol' is empty"),
    ({"protocol": "a,,b"}, "element 2 of 'protocol' is empty"),
    ({"protocol": "a b"}, "element 1 of 'protocol' contains ' '"),
    ({"protocol": "a, b/c"}, "element 2 of 'protocol' contains '/'"),
    ({"protocol": "a\r\nX: y"}, "element 1 of 'protocol' contains '\\r'"),
    ({"protocol": "a\n"}, "element 1 of 'protocol' contains '\\n'"),
    ({"protocol": "é"}, "element 1 of 'protocol' contains 'é'"),
    ({"protocol": "a, b, a"}, "element 3 of 'protocol' was offered before"),
    ({"protocol": ", ".join(map(str, range(20000)))}, "bytes of headers are more than the 65536 allowed"),
    ({"skipServerCertVerification": 1}, "('skipServerCertVerification') must be a bool, not int"),
    ({"skipServerCertVerification": "false"}, "('skipServerCertVerification') must be a bool, not str"),
    ({"supportOriginPort": 0}, "'support_origin_port' ('supportOriginPort') must be a bool, not int"),
    ({"pingInterval": "5"}, "'ping_interval' ('pingInterval') must be a number, not str"),
    ({"pingInterval": True}, "'ping_interval' ('pingInterval') must be a number, not bool"),
    ({"pingInterval": 0.5}, "'ping_interval' ('pingInterval') must be a whole number, not 0.5"),
    ({"pingInterval": -1}, "'ping_interval' ('pingInterval') must be from 0 to 30000 seconds, not -1"),
    ({"pingInterval": 30001}, "('pingInterval') must be from 0 to 30000 seconds, not 30001"),
    ({"pongTimeout": "5"}, "'pong_timeout' ('pongTimeout') must be a number, not str"),
    ({"pongTimeout": -1}, "'pong_timeout' ('pongTimeout') must be from 0 to 30000 seconds, not -1"),
    ({"pongTimeout": 30001}, "('pongTimeout') must be from 0 to 30000 seconds, not 30001"),
    (
        {"pingInterval": 5, "pongTimeout": 6},
        "must be from 0 to 5 seconds, which is 'ping_interval' ('pingInterval'), not 6",
    ),
    ({"pingInterval": 0, "pongTimeout": 1}, "must be from 0 to 0 seconds"),
    ({"pingIntervall": 5}, "did you mean 'pingInterval'?"),
    ({"minSupportTlsProtocol": "1.3"}, "('minSupportTlsProtocol') must be a number, not str"),
    ({"minSupportTlsProtocol": False}, "('minSupportTlsProtocol') must be a number, not bool"),
    ({"minSupportTlsProtocol": -1}, "('minSupportTlsProtocol') must be a TlsProtocol, from 0 to 3, not -1"),
    ({"minSupportTlsProtocol": 4}, "('minSupportTlsProtocol') must be a TlsProtocol, from 0 to 3, not 4"),
]  # fmt: skip

# header, words of the message
REFUSED_HEADERS = [
    (5, "'header' must be a mapping, not int"),
    ("a: b", "'header' must be a mapping, not str"),
    ([("a", "b")], "'header' must be a mapping, not list"),
    ({5: "x"}, "the name of a header must be a str, not int"),
    ({b"a": "x"}, "the name of a header must be a str, not bytes"),
    ({"": "x"}, "the name of a header is empty"),
    ({"a b": "x"}, "the name of the header 'a' contains ' '"),
    ({"a:": "x"}, "the name of the header 'a' contains ':'"),
    ({"a\n": "x"}, "the name of the header 'a' contains '\\n'"),
    ({"a\r\nb": "x"}, "the name of the header 'a' contains '\\r'"),
    ({"a\x00": "x"}, "the name of the header 'a' contains '\\x00'"),
    ({"é": "x"}, "the name of the header '' contains 'é'"),
    ({"\u212aeep-alive": "x"}, "contains '\u212a'"),
    ({"a": 5}, "the value of the header 'a' must be a str or a sequence of str, not int"),
    ({"a": 5.0}, "a str or a sequence of str, not float"),
    ({"a": True}, "a str or a sequence of str, not bool"),
    ({"a": None}, "a str or a sequence of str, not None"),
    ({"a": b"x"}, "a str or a sequence of str, not bytes"),
    ({"a": bytearray()}, "a str or a sequence of str, not bytearray"),
    ({"a": {"x": "y"}}, "a str or a sequence of str, not dict"),
    ({"a": ["x", 5]}, "a str or a sequence of str; element 2 is int"),
    ({"a": ["x", ["y"]]}, "a str or a sequence of str; element 2 is list"),
    ({"a": "x\r\nb: y"}, "the value of the header 'a' contains the control character U+000D"),
    ({"a": "x\ny"}, "control character U+000A"),
    ({"a": "x\x00"}, "control character U+0000"),
    ({"a": "x\n"}, "control character U+000A"),
    ({"a": "\x01"}, "control character U+0001"),
    ({"a": "\x7f"}, "control character U+007F"),
    ({"a": "\x85"}, "control character U+0085"),
    ({"a": ["x", "y\n"]}, "control character U+000A"),
    ({"a": "\ud800"}, "the value of the header 'a' contains the lone surrogate U+D800"),
    ({"Host": "h", "host": "h"}, "the header 'Host' is given more than once"),
    ({"host": ["h", "h"]}, "the header 'Host' is given more than once"),
    ({"Host": ""}, "the header 'Host' must be a host in ASCII with at most a port"),
    ({"Host": "a b"}, "the header 'Host' must be"),
    ({"Host": "http://h"}, "the header 'Host' must be"),
    ({"Host": "u@h"}, "the header 'Host' must be"),
    ({"Host": "h/"}, "the header 'Host' must be"),
    ({"Host": "h:"}, "the header 'Host' must be"),
    ({"Host": "h:http"}, "the header 'Host' must be"),
    ({"Host": "h:123456"}, "the header 'Host' must be"),
    ({"Host": "::1"}, "the header 'Host' must be"),
    ({"Host": "[::1"}, "the header 'Host' must be"),
    ({"Host": "例え.jp"}, "the header 'Host' must be"),
    ({"Host": "h\r\nX: y"}, "the header 'Host' must be"),
    ({"Host": "a..b"}, "the header 'Host' has an empty label"),
    ({"Host": "a" * 64}, "or one longer than 63 characters"),
    ({"Origin": "a", "ORIGIN": "a"}, "the header 'Origin' is given more than once"),
    ({"Origin": ""}, "the header 'Origin' must be an origin in ASCII"),
    ({"Origin": "http://例え.jp"}, "the header 'Origin' must be"),
    ({"Origin": "a\nb"}, "the header 'Origin' must be"),
    ({"a": "x" * MAX_HEADERS_SIZE}, "bytes of headers are more than the 65536 allowed"),
    ({"a": ["x" * 1000] * 66}, "bytes of headers are more than the 65536 allowed"),
    ({"a": "例" * (MAX_HEADERS_SIZE // 3)}, "bytes of headers are more than the 65536 allowed"),
    ({"Origin": "x" * MAX_HEADERS_SIZE}, "bytes of headers are more than the 65536 allowed"),
]  # fmt: skip

# What close gets, words of the message
REFUSED_CLOSE = [
    (5, "the options must be WebSocketCloseOptions or a mapping, not int"),
    (WebSocketRequestOptions(), "or a mapping, not WebSocketRequestOptions"),
    ({5: 5}, "the name of an option of close must be a str, not int"),
    ({"reson": ""}, "'reson' is not an option of close; did you mean 'reason'?"),
    ({"caPath": ""}, "'caPath' is not an option of close"),
    ({"code": "1000"}, "'code' must be a number, not str"),
    ({"code": True}, "'code' must be a number, not bool"),
    ({"code": 1000.5}, "'code' must be a whole number, not 1000.5"),
    ({"code": float("nan")}, "'code' must be a whole number, not nan"),
    ({"code": float("inf")}, "'code' must be a whole number, not inf"),
    ({"code": 10**5000}, "'code' is too large a number"),
    ({"code": 1e300}, "'code' is too large a number"),
    ({"reason": 5}, "'reason' must be a str, not int"),
    ({"reason": b"x"}, "'reason' must be a str, not bytes"),
    ({"reason": "x" * 124}, "'reason' is 124 bytes as UTF-8; a Close frame has room for 123"),
    ({"reason": "é" * 62}, "'reason' is 124 bytes as UTF-8"),
    ({"reason": "\udfff"}, "'reason' contains the lone surrogate U+DFFF"),
]  # fmt: skip

SECRET = "hunter2"


def refusal(take: Callable[[object], object], value: object) -> BusinessError:
    """The error with which a value is refused."""
    with pytest.raises(BusinessError) as caught:
        take(value)
    return caught.value


@pytest.mark.parametrize(("value", "words"), REFUSED_REQUEST, ids=range(len(REFUSED_REQUEST)))
def test_refused_request_options(value: object, words: str) -> None:
    """Bad options of connect are 401, and the message names what is bad."""
    error = refusal(request_options, value)

    assert 401 == error.code
    assert words in error.message


@pytest.mark.parametrize(("header", "words"), REFUSED_HEADERS, ids=range(len(REFUSED_HEADERS)))
def test_refused_headers(header: object, words: str) -> None:
    """Bad headers are 401, and the message names the header and what is bad."""
    error = refusal(request_options, {"header": header})

    assert 401 == error.code
    assert words in error.message


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "upgrade",
        "Content-Length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "SEC-WEBSOCKET-EXTENSIONS",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Anything",
    ],
)
def test_the_handshake_s_own_headers(name: str) -> None:
    """Headers that frame the request or belong to the handshake are refused in any case."""
    error = refusal(request_options, {"header": {name: "x"}})

    assert 401 == error.code
    assert f"the header '{name}' is not the program's to set" in error.message


@pytest.mark.parametrize(
    ("name", "advice"),
    [("Sec-WebSocket-Protocol", "use the option 'protocol'"), ("proxy-authorization", "give the proxy")],
)
def test_a_refused_header_s_replacement(name: str, advice: str) -> None:
    """Where an option does what the header was meant to do, the message says so."""
    error = refusal(request_options, {"header": {name: "x"}})

    assert advice in error.message


@pytest.mark.parametrize(("value", "words"), REFUSED_CLOSE, ids=range(len(REFUSED_CLOSE)))
def test_refused_close_options(value: object, words: str) -> None:
    """Bad options of close are 401, and the message names what is bad."""
    error = refusal(close_options, value)

    assert 401 == error.code
    assert words in error.message


@pytest.mark.parametrize("code", [-1, 0, 200, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_close_codes_that_may_not_be_sent(code: int) -> None:
    """Reserved, unassigned and out-of-range codes are 401, and the message shows the code."""
    error = refusal(close_options, {"code": code})

    assert 401 == error.code
    assert f"'code' {code} may not be sent" in error.message


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_close_codes_that_may_be_sent(code: int) -> None:
    """Registered and private codes are taken."""
    assert code == close_options({"code": code}).code


@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [
        (None, 1000, ""),
        ({}, 1000, ""),
        ({"code": None, "reason": None}, 1000, ""),
        ({"code": 1000.0}, 1000, ""),
        ({"reason": "done"}, 1000, "done"),
        ({"code": 4000, "reason": "é" * 61}, 4000, "é" * 61),
        (OrderedDict(code=3000), 3000, ""),
        (WebSocketCloseOptions(1001, "bye"), 1001, "bye"),
    ],
)
def test_close_options(value: object, code: int, reason: str) -> None:
    """What is absent has the documented default, and an integral float is the int that ArkTS meant."""
    options = close_options(value)

    assert (code, reason) == (options.code, options.reason)
    assert int is type(options.code)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"caPath": "", "protocol": ""},
        dict.fromkeys(["header", "caPath", "clientCert", "proxy", "protocol"]),
        dict.fromkeys(["pingInterval", "pongTimeout", "minSupportTlsProtocol", "supportOriginPort"]),
        {"skipServerCertVerification": None, "supportOriginPort": False},
    ],
)
def test_absent_options(value: object) -> None:
    """None, nothing, and an empty caPath or protocol are all the same as no option."""
    assert WebSocketRequestOptions() == request_options(value)


def test_both_spellings_make_the_same_options() -> None:
    """OHOS's mapping, ours, and the dataclasses end as equal objects."""
    arkts = {
        "header": {"name1": "value1", "name2": ["a", "b"]},
        "caPath": "ca.pem",
        "clientCert": {"certPath": "c.pem", "keyPath": "k.pem", "keyPassword": "s"},
        "proxy": {"host": "p", "port": 8888.0, "username": "u", "password": "s", "exclusionList": ["a", "b"]},
        "protocol": "x, y",
        "skipServerCertVerification": True,
        "pingInterval": 30000.0,
        "pongTimeout": 30000,
        "minSupportTlsProtocol": 3,
        "supportOriginPort": True,
    }
    python = {
        "header": MappingProxyType({"name1": "value1", "name2": ("a", "b")}),
        "ca_path": pathlib.PurePosixPath("ca.pem"),
        "client_cert": {
            "cert_path": "c.pem",
            "key_path": pathlib.PurePosixPath("k.pem"),
            "key_password": "s",
        },
        "proxy": {"host": "p", "port": 8888, "username": "u", "password": "s", "exclusion_list": ("a", "b")},
        "protocol": "x, y",
        "skip_server_cert_verification": True,
        "ping_interval": 30000,
        "pong_timeout": 30000.0,
        "min_support_tls_protocol": TlsProtocol.TLS_V_1_3,
        "support_origin_port": True,
    }
    objects = WebSocketRequestOptions(
        header={"name1": "value1", "name2": ("a", "b")},
        ca_path="ca.pem",
        client_cert=ClientCert("c.pem", "k.pem", "s"),
        proxy=HttpProxy("p", 8888, "u", "s", ["a", "b"]),
        protocol="x, y",
        skip_server_cert_verification=True,
        ping_interval=30000,
        pong_timeout=30000,
        min_support_tls_protocol=TlsProtocol.TLS_V_1_3,
        support_origin_port=True,
    )

    assert objects == request_options(arkts)
    assert objects == request_options(python)
    assert objects is request_options(objects)


@pytest.mark.parametrize("proxy", ["system", "no-proxy"])
def test_proxy_words(proxy: str) -> None:
    """The two words of the API document are taken as they are."""
    assert proxy == request_options({"proxy": proxy}).proxy


@pytest.mark.parametrize("url", ["http://p", "socks5h://u:s@[::1]:1080", "SOCKS4://p:1"])
def test_proxy_urls(url: str) -> None:
    """A proxy's URL is kept as it was given."""
    assert url == request_options({"proxy": url}).proxy


def test_a_proxy_url_shows_without_credentials() -> None:
    """Whoever looks for a mistake sees which proxy it is."""
    options = WebSocketRequestOptions(proxy="socks5h://u:s@h:1080")

    assert "proxy='socks5h://...@h:1080'" in repr(options)
    assert "'http://h:3128'" == repr(WebSocketRequestOptions(proxy="http://h:3128").proxy)


def test_empty_credentials_are_absent() -> None:
    """Empty passwords and user names, and no exclusion list, are what their absence is."""
    proxy = HttpProxy("p", 1, username="", password="", exclusion_list=None)  # type: ignore[arg-type]

    assert HttpProxy("p", 1) == proxy
    assert ClientCert("c", "k") == ClientCert("c", "k", "")


def test_options_are_frozen_copies() -> None:
    """Neither the object nor the mapping that it was made from changes it later."""
    values = ["1"]
    header = {"a": values}
    options = request_options({"header": header})
    values.append("2\r\n")
    header["b\n"] = []

    assert ((b"a", b"1"),) == request_headers(options).extra
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.ca_path = ""  # type: ignore[misc]
    with pytest.raises(TypeError):
        options.header["a"] = "x"  # type: ignore[index]


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_options_can_be_copied(make: Callable[[object], object]) -> None:
    """Options travel between processes and survive dataclasses.replace."""
    options = request_options({"header": {"a": ["b", "c"]}, "clientCert": CERT, "proxy": PROXY})

    assert options == make(options)
    assert "x" == dataclasses.replace(options, protocol="x").protocol


@pytest.mark.parametrize(
    "options",
    [
        WebSocketRequestOptions(header={"Authorization": SECRET, "Cookie": [SECRET]}),
        WebSocketRequestOptions(protocol=f"bearer, {SECRET}"),
        WebSocketRequestOptions(client_cert=ClientCert("c", "k", SECRET)),
        WebSocketRequestOptions(proxy=HttpProxy("p", 1, username=SECRET, password=SECRET)),
        WebSocketRequestOptions(proxy=f"http://{SECRET}:{SECRET}@p:1"),
        WebSocketRequestOptions(proxy=f"socks5h://u:%20@{SECRET}@p:1"),
        request_headers(WebSocketRequestOptions(header={"Authorization": SECRET})),
    ],
)
def test_secrets_are_in_no_repr(options: WebSocketRequestOptions | RequestHeaders) -> None:
    """Header values, tokens, passwords and credentials do not show."""
    assert SECRET not in f"{options!r} {options}"


@pytest.mark.parametrize(
    "value",
    [
        {"header": {"Authorization": f"{SECRET}\n"}},
        {"header": {"Authorization": [SECRET, 5]}},
        {"header": {"Authorization": SECRET.encode()}},
        {"header": {f"Authorization: {SECRET}": ""}},
        {"header": {"Cookie": SECRET + "\ud800"}},
        {"header": {"Proxy-Authorization": SECRET}},
        {"protocol": f"bearer, {SECRET}/"},
        {"protocol": f"{SECRET}, {SECRET}"},
        {"clientCert": {**CERT, "keyPassword": SECRET.encode()}},
        {"clientCert": {**CERT, "keyPassword": SECRET + "\ud800"}},
        {"proxy": f"gopher://u:{SECRET}@h:1080"},
        {"proxy": f"http://u:{SECRET}/@h:1080"},
        {"proxy": f"http://u:{SECRET}@h:99999"},
        {"proxy": f"http://u:{SECRET}@h_!:1080"},
        {"proxy": f"http://u:{SECRET}%FF@h:1080"},
        {"proxy": f"http://u:{SECRET}\ud800@h:1080"},
        {"proxy": f"http://u:{SECRET}%0A@h:1080"},
        {"proxy": f"socks4://u:{SECRET}@h:1080"},
        {"proxy": f"socks5://:{SECRET}@h:1080"},
        {"proxy": f"socks5://u:{SECRET}é@h:1080"},
        {"proxy": f"u:{SECRET}@h:1080"},
        {"proxy": {"host": f"http://u:{SECRET}@h", "port": 1}},
        {"proxy": {**PROXY, "username": f"u:{SECRET}"}},
        {"proxy": {**PROXY, "password": f"{SECRET}\n"}},
    ],
)
def test_secrets_are_in_no_message(value: object) -> None:
    """A refusal names the field, never its content."""
    error = refusal(request_options, value)

    assert [] == [one for one in chain(error) if SECRET in f"{one!r} {one}"]


@pytest.mark.timeout(10)
def test_subprotocols_take_linear_time() -> None:
    """However many there are, what is over the limit is refused at once (an hour, once)."""
    error = refusal(request_options, {"protocol": ",".join(map(str, range(300_000)))})

    assert "bytes of headers are more than the 65536 allowed" in error.message


def test_header_names_show() -> None:
    """The names of headers do show, for whoever looks for a mistake."""
    options = WebSocketRequestOptions(header={"Authorization": SECRET, "a": "b"})

    assert "header={'Authorization': ..., 'a': ...}" in repr(options)


@pytest.mark.parametrize(
    ("protocol", "tokens"),
    [
        (None, ()),
        ("", ()),
        ("my-protocol", ("my-protocol",)),
        ("a,b", ("a", "b")),
        ("a, b", ("a", "b")),
        (" \ta\t,\t b ", ("a", "b")),
        ("a, A", ("a", "A")),
        ("!#$%&'*+-.^_`|~09azAZ", ("!#$%&'*+-.^_`|~09azAZ",)),
    ],
)
def test_subprotocols(protocol: str | None, tokens: tuple[str, ...]) -> None:
    """A comma-separated list gives its tokens in order, case and all."""
    assert tokens == subprotocols(WebSocketRequestOptions(protocol=protocol))


@pytest.mark.parametrize(
    ("header", "host", "origin", "extra"),
    [
        (None, None, None, []),
        ({}, None, None, []),
        ({"name1": "value1", "X-B": "2"}, None, None, [(b"name1", b"value1"), (b"X-B", b"2")]),
        ({"a": ["1", "2"]}, None, None, [(b"a", b"1"), (b"a", b"2")]),
        ({"a": ()}, None, None, []),
        ({"X-A": "1", "x-a": "2"}, None, None, [(b"X-A", b"1"), (b"x-a", b"2")]),
        ({"a": ""}, None, None, [(b"a", b"")]),
        ({"a": " \t x\ty z \t"}, None, None, [(b"a", b"x\ty z")]),
        ({"a": "ÿ"}, None, None, [(b"a", b"\xff")]),
        ({"a": "ÿ例"}, None, None, [(b"a", "ÿ例".encode())]),
        ({"a": "\u00a0x"}, None, None, [(b"a", b"\xa0x")]),
        ({"hOsT": " Example.org:8080 "}, "Example.org:8080", None, []),
        ({"Host": "[::1]:80"}, "[::1]:80", None, []),
        ({"Host": "under_score."}, "under_score.", None, []),
        ({"Host": ["h"], "ORIGIN": "null", "a": "b"}, "h", "null", [(b"a", b"b")]),
        ({"origin": "https://a.example https://b.example"}, None, "https://a.example https://b.example", []),
    ],
)
def test_request_headers(
    header: dict[str, str] | None, host: str | None, origin: str | None, extra: list[tuple[bytes, bytes]]
) -> None:
    """Names keep their case and order, values lose the blanks around them, Host and Origin stand apart."""
    headers = request_headers(WebSocketRequestOptions(header=header))

    assert RequestHeaders(host, origin, tuple(extra)) == headers


def test_64_kib_of_headers_are_allowed() -> None:
    """The limit is the size of the lines on the wire, and is itself allowed."""
    most = MAX_HEADERS_SIZE - len("host: \r\n") * 2 - len("a: \r\n")
    headers = request_headers(WebSocketRequestOptions(header={"a": "x" * most}))

    assert most == len(headers.extra[0][1])
    assert "65537 bytes" in refusal(request_options, {"header": {"a": "x" * (most + 1)}}).message


NAMES = st.text(st.sampled_from("aA-_é: \r\n\x00\x7f!~"), max_size=6) | st.sampled_from(
    ["Host", "oRIGIN", "Cookie", "Expect", "Connection", "content-length", "Sec-WebSocket-Key"]
)
VALUES = st.text(max_size=20) | st.text(
    st.sampled_from("aé例 \t\r\n\x00\x1c\x7f\x85\u00a0\u3000:[]."), max_size=10
)


@hypothesis.given(st.dictionaries(NAMES | st.text(), VALUES | st.lists(VALUES, max_size=3), max_size=4))
def test_what_is_taken_is_never_refused_by_h11(header: dict[str, str | list[str]]) -> None:
    """Any headers are either 401, or go through wsproto and h11 and arrive at a server as they were given."""
    try:
        headers = request_headers(request_options({"header": header}))
    except BusinessError:
        hypothesis.event("refused")
        return
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    extra = [*headers.extra, (b"Origin", (headers.origin or "http://h").encode("ascii"))]
    request = Request(host=headers.host or "h", target="/", extra_headers=extra)
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * MAX_HEADERS_SIZE)
    server.receive_data(client.send(request))
    event = server.next_event()

    assert isinstance(event, h11.Request)
    assert extra == event.headers.raw_items()[5:]
    assert (b"host", (headers.host or "h").encode("ascii")) == event.headers[0]
    assert h11.EndOfMessage is type(server.next_event())


@hypothesis.given(
    st.none()
    | st.integers()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "header",
                        "caPath",
                        "clientCert",
                        "proxy",
                        "protocol",
                        "certPath",
                        "keyPath",
                        "host",
                        "port",
                    ]
                )
                | st.text(max_size=5)
                | st.integers(),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_value_is_taken_or_401(value: object) -> None:
    """Whatever a program passes as options, nothing but 401 is raised."""
    for take in (request_options, close_options):
        try:
            taken: object = take(value)
        except BusinessError as error:
            taken = error.code

        assert 401 == taken or isinstance(taken, WebSocketRequestOptions | WebSocketCloseOptions)


@pytest.mark.parametrize("kind", [ClientCert, HttpProxy, WebSocketCloseOptions, WebSocketRequestOptions])
def test_fields_keep_their_types(kind: type[object]) -> None:
    """Tools that read annotations find the fields' types, wherever the class is said to live."""
    hints = get_type_hints(kind)

    assert {one.name for one in dataclasses.fields(kind)} == set(hints)  # type: ignore[arg-type]  # a dataclass
