"""URLs: what is taken, what it becomes, and what is refused with which words."""

from __future__ import annotations

import dataclasses

import h11
import hypothesis
import pytest
from hypothesis import strategies as st

from trio_ohws.errors import BusinessError
from trio_ohws.url import MAX_URL_LENGTH, WebSocketURL, parse_url

# URL, its normal form, value of Host, value of Origin
TAKEN = [
    ("ws://h", "ws://h/", "h", "http://h"),
    ("wss://h", "wss://h/", "h", "https://h"),
    ("WS://h/", "ws://h/", "h", "http://h"),
    ("wSs://h/", "wss://h/", "h", "https://h"),
    ("ws://h:80/", "ws://h/", "h", "http://h"),
    ("wss://h:443/", "wss://h/", "h", "https://h"),
    ("ws://h:443/", "ws://h:443/", "h:443", "http://h"),
    ("wss://h:80/", "wss://h:80/", "h:80", "https://h"),
    ("ws://h:/", "ws://h/", "h", "http://h"),
    ("ws://h:0080/", "ws://h/", "h", "http://h"),
    ("ws://h:1/", "ws://h:1/", "h:1", "http://h"),
    ("ws://h:65535/", "ws://h:65535/", "h:65535", "http://h"),
    ("ws://EXAMPLE.Org/Path", "ws://example.org/Path", "example.org", "http://example.org"),
    ("ws://example.org./", "ws://example.org./", "example.org.", "http://example.org."),
    ("ws://under_score.example/", "ws://under_score.example/", "under_score.example", "http://under_score.example"),
    ("ws://r3---sn-x.example/", "ws://r3---sn-x.example/", "r3---sn-x.example", "http://r3---sn-x.example"),
    ("ws://1.2.3.foo/", "ws://1.2.3.foo/", "1.2.3.foo", "http://1.2.3.foo"),
    ("ws://4chan.example/", "ws://4chan.example/", "4chan.example", "http://4chan.example"),
    ("ws://127.0.0.1:9/", "ws://127.0.0.1:9/", "127.0.0.1:9", "http://127.0.0.1"),
    ("ws://255.255.255.255/", "ws://255.255.255.255/", "255.255.255.255", "http://255.255.255.255"),
    ("ws://[::1]/", "ws://[::1]/", "[::1]", "http://[::1]"),
    ("wss://[::1]:8443/", "wss://[::1]:8443/", "[::1]:8443", "https://[::1]"),
    ("ws://[2001:DB8:0:0::1]/", "ws://[2001:db8::1]/", "[2001:db8::1]", "http://[2001:db8::1]"),
    ("ws://例え.テスト/", "ws://xn--r8jz45g.xn--zckzah/", "xn--r8jz45g.xn--zckzah", "http://xn--r8jz45g.xn--zckzah"),
    ("ws://Bücher.example:8/", "ws://xn--bcher-kva.example:8/", "xn--bcher-kva.example:8", "http://xn--bcher-kva.example"),
    ("ws://faß.de/", "ws://xn--fa-hia.de/", "xn--fa-hia.de", "http://xn--fa-hia.de"),
    ("ws://XN--FA-HIA.de/", "ws://xn--fa-hia.de/", "xn--fa-hia.de", "http://xn--fa-hia.de"),
    ("ws://例え。jp/", "ws://xn--r8jz45g.jp/", "xn--r8jz45g.jp", "http://xn--r8jz45g.jp"),
    ("ws://ex\u00adample.org/", "ws://example.org/", "example.org", "http://example.org"),
    ("ws://ｅｘａｍｐｌｅ.org/", "ws://example.org/", "example.org", "http://example.org"),
    ("ws://１２７.0.0.1/", "ws://127.0.0.1/", "127.0.0.1", "http://127.0.0.1"),
    ("ws://h?x=1", "ws://h/?x=1", "h", "http://h"),
    ("ws://h:8?x=/1", "ws://h:8/?x=/1", "h:8", "http://h"),
    ("ws://h?", "ws://h/?", "h", "http://h"),
    ("ws://h/a/../b/./c", "ws://h/a/../b/./c", "h", "http://h"),
    ("ws://h//a", "ws://h//a", "h", "http://h"),
    ("ws://h/a@b:c?d@e", "ws://h/a@b:c?d@e", "h", "http://h"),
    ("ws://h/?a?b=/c", "ws://h/?a?b=/c", "h", "http://h"),
    ("ws://h/路径?q=é", "ws://h/%E8%B7%AF%E5%BE%84?q=%C3%A9", "h", "http://h"),
    ("ws://h/😀", "ws://h/%F0%9F%98%80", "h", "http://h"),
    ("ws://h/%e8%2F?%41", "ws://h/%e8%2F?%41", "h", "http://h"),
    ('ws://h/?q={"a":1}', "ws://h/?q=%7B%22a%22:1%7D", "h", "http://h"),
    ("ws://h/<a>|^`", "ws://h/%3Ca%3E%7C%5E%60", "h", "http://h"),
    ("ws://h/?a[]=1&b=(c)!~*';,+$", "ws://h/?a[]=1&b=(c)!~*';,+$", "h", "http://h"),
    ("ws://h/?u=http://x:y@z/", "ws://h/?u=http://x:y@z/", "h", "http://h"),
    (f"ws://{'a' * 63}/", f"ws://{'a' * 63}/", "a" * 63, f"http://{'a' * 63}"),
]  # fmt: skip

# URL, words of the message
REFUSED = [
    ("", "start with ws:// or wss://"),
    ("h", "start with ws:// or wss://"),
    ("//h/", "start with ws:// or wss://"),
    ("ws:h", "start with ws:// or wss://"),
    ("ws:/h", "start with ws:// or wss://"),
    ("://h", "start with ws:// or wss://"),
    ("1ws://h", "start with ws:// or wss://"),
    ("\u017fws://h", "start with ws:// or wss://"),
    ("http://h/", "not 'http'; did you mean 'ws'?"),
    ("https://h/", "not 'https'; did you mean 'wss'?"),
    ("HTTPS://h/", "did you mean 'wss'?"),
    ("ftp://h/", "must be ws or wss, not 'ftp'"),
    ("wsss://h/", "must be ws or wss, not 'wsss'"),
    ("ws://", "no host"),
    ("ws:///path", "no host"),
    ("ws://?x", "no host"),
    ("ws://:80/", "no host"),
    ("ws://[]/", "not an IPv6 address"),
    ("ws://user@h/", "user information"),
    ("ws://user:pw@h/", "user information"),
    ("ws://@h/", "user information"),
    ("ws://h@/", "user information"),
    ("ws://h:0/", "port must be from 1 to 65535"),
    ("ws://h:65536/", "port must be from 1 to 65535"),
    ("ws://h:99999999999999999999/", "port must be from 1 to 65535"),
    ("ws://h:-1/", "port must consist of digits"),
    ("ws://h:+80/", "port must consist of digits"),
    ("ws://h:8_0/", "port must consist of digits"),
    ("ws://h:http/", "port must consist of digits"),
    ("ws://h:٨٠/", "port must consist of digits"),
    ("ws://h:1:2/", "more than one ':'"),
    ("ws://::1/", "more than one ':'"),
    ("ws://[::1/", "']' of an IPv6 address is missing"),
    ("ws://[::1]80/", "only a port may follow"),
    ("ws://[::1]:x/", "port must consist of digits"),
    ("ws://[::1%25eth0]/", "zone"),
    ("ws://[fe80::1%eth0]/", "zone"),
    ("ws://[1.2.3.4]/", "not an IPv6 address"),
    ("ws://[:::1]/", "not an IPv6 address"),
    ("ws://[v1.fe]/", "not an IPv6 address"),
    ("ws://[::1٣]/", "not an IPv6 address"),
    ("ws://h]/", "']' is not allowed in a host"),
    ("ws://127.1/", "four decimal parts"),
    ("ws://0x7f.1/", "four decimal parts"),
    ("ws://0x7f000001/", "four decimal parts"),
    ("ws://2130706433/", "four decimal parts"),
    ("ws://017700000001/", "four decimal parts"),
    ("ws://127.0.0.01/", "four decimal parts"),
    ("ws://127.0.0.0x1/", "four decimal parts"),
    ("ws://127.0.0.256/", "four decimal parts"),
    ("ws://1.2.3.4.5/", "four decimal parts"),
    ("ws://1.2.3.4./", "four decimal parts"),
    ("ws://foo.0x/", "four decimal parts"),
    ("ws://１２７.1/", "four decimal parts"),
    ("ws://a..b/", "empty label"),
    ("ws://.a/", "empty label"),
    ("ws://./", "empty label"),
    ("ws://a../", "empty label"),
    ("ws://\u00ad/", "empty label"),
    (f"ws://{'a' * 64}/", "longer than 63"),
    (f"ws://{'é' * 64}/", "not a valid IDNA 2008 name"),
    (f"ws://{'a.' * 127}a/", "longer than 253"),
    (f"ws://{'a' * 63}:8080/", "last label of the host, with the port, is longer than 63"),
    ("ws://a%41/", "'%' is not allowed in a host"),
    ("ws://a!b/", "'!' is not allowed in a host"),
    ("ws://a,b/", "',' is not allowed in a host"),
    ("ws://*.example/", "'*' is not allowed in a host"),
    ("ws://☃.example/", "not a valid IDNA 2008 name"),
    ("ws://a\u200d.example/", "not a valid IDNA 2008 name"),
    ("ws://xn--a/", "not a valid IDNA 2008 name"),
    ("ws://xn--/", "not a valid IDNA 2008 name"),
    ("ws://-é/", "not a valid IDNA 2008 name"),
    ("ws://é_x/", "not a valid IDNA 2008 name"),
    ("ws://\u2488com/", "not a valid name"),
    ("ws://h\uff0fx/", "'/' is not allowed in a host"),
    ("ws://h\uff20x/", "'@' is not allowed in a host"),
    ("ws://h\uff1a80/", "':' is not allowed in a host"),
    ("ws://h/#", "no fragment"),
    ("ws://h#f", "no fragment"),
    ("ws://h/a?b#c", "no fragment"),
    ("ws://h\\@x/", "backslash at position 7"),
    ("ws:\\\\h/", "backslash at position 4"),
    (" ws://h/", "whitespace (U+0020) at position 1"),
    ("ws://h/ ", "whitespace (U+0020) at position 8"),
    ("ws://h/a b", "whitespace (U+0020) at position 9"),
    ("w\ts://h/", "whitespace (U+0009) at position 2"),
    ("ws://h/\r\nX: y", "whitespace (U+000D) at position 8"),
    ("ws://h\n/", "whitespace (U+000A) at position 7"),
    ("ws://h/\u00a0", "whitespace (U+00A0)"),
    ("ws://h/\u2028", "whitespace (U+2028)"),
    ("ws://h/\u3000", "whitespace (U+3000)"),
    ("ws://h/\x00", "control character (U+0000) at position 8"),
    ("ws://h/\x7f", "control character (U+007F) at position 8"),
    ("ws://h/\x9f", "control character (U+009F) at position 8"),
    ("ws://h/\ud800", "lone surrogate (U+D800) at position 8"),
    ("ws://\udfff/", "lone surrogate (U+DFFF) at position 6"),
    ("ws://h/%", "two hexadecimal digits"),
    ("ws://h/%4", "two hexadecimal digits"),
    ("ws://h/%zz", "two hexadecimal digits"),
    ("ws://h/?%é1", "two hexadecimal digits"),
    (f"ws://h/{'a' * 1018}", "1025 characters are more than the 1024 allowed"),
    ("x" * 1_000_000, "1000000 characters are more than the 1024 allowed"),
]  # fmt: skip

ALPHABET = "wsWS:/?#[]@!%.-_0123456789abcxnAF\\ \t\r\n\x00\x7f\x85é例ß。\u00ad\u200d\u0660א💩\ud800"
NEARLY_URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["ws://", "wss://", "WS://", ""]),
    st.text(st.sampled_from(ALPHABET)) | st.text(),
    st.just("") | st.text(st.sampled_from(ALPHABET)).map("/{}".format),
)


@pytest.mark.parametrize(("url", "normal", "host_header", "origin"), TAKEN, ids=lambda text: ascii(text)[:40])
def test_what_is_taken(url: str, normal: str, host_header: str, origin: str) -> None:
    """A good URL has one normal form, which is its own, and gives Host and Origin their values."""
    parsed = parse_url(url)

    assert normal == str(parsed)
    assert (host_header, origin) == (parsed.host_header, parsed.origin)
    assert parsed == parse_url(normal)


@pytest.mark.parametrize(("url", "words"), REFUSED, ids=lambda text: ascii(text)[:40])
def test_what_is_refused(url: str, words: str) -> None:
    """A bad URL is 2302001, and the message names what is bad."""
    with pytest.raises(BusinessError) as caught:
        parse_url(url)

    assert 2302001 == caught.value.code
    assert caught.value.message.startswith("Websocket url error: ")
    assert words in caught.value.message


def test_parts_of_a_url() -> None:
    """Host and port are what is dialled, the target what is asked for."""
    parsed = parse_url("wss://[2001:DB8::1]:8443?token=1")

    assert WebSocketURL(secure=True, host="2001:db8::1", port=8443, target="/?token=1") == parsed


def test_a_url_shows_no_target() -> None:
    """Its repr says where the server is, not what is asked of it: tokens travel there."""
    assert "sesame" not in repr(parse_url("wss://example.test/sesame?token=sesame"))


def test_a_url_is_frozen() -> None:
    """Nobody changes a URL after it was checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_url("ws://h").port = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "named"), [(None, "NoneType"), (5, "int"), (b"ws://h", "bytes"), ({}, "dict"), (True, "bool")]
)
def test_another_type_is_a_parameter_error(value: object, named: str) -> None:
    """What is no str is 401, and the message names the type."""
    with pytest.raises(BusinessError) as caught:
        parse_url(value)

    assert f"Parameter error: the URL must be a str, not {named}" == caught.value.message
    assert 401 == caught.value.code


def test_1024_characters_are_allowed() -> None:
    """The limit counts characters as given: 1024 are taken, non-ASCII ones too."""
    long = "ws://h/" + "路" * (MAX_URL_LENGTH - 7)

    assert 1024 == len(long)
    assert "/" + "%E8%B7%AF" * 1017 == parse_url(long).target


@pytest.mark.parametrize(
    "url",
    [
        "ws://user:hunter2@h/",
        "ws://hunter2@h/",
        "ws://user:hunter2/x@h/",
        "ws://user:123456hunter2/x@h/",
        "ws://h/?token=hunter2#x",
        "ws://h/hunter2%",
        "ws://h/hunter2 ",
        "ws://h/hunter2\x00",
        "user:hunter2@h",
        "hunter2@h://x",
    ],
)
def test_messages_keep_secrets(url: str) -> None:
    """Passwords and tokens in a bad URL are not repeated by the error, nor by what caused it."""
    with pytest.raises(BusinessError) as caught:
        parse_url(url)

    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def outcome(url: str) -> WebSocketURL | BusinessError:
    """What a URL comes to; any other exception is the test's failure."""
    try:
        return parse_url(url)
    except BusinessError as error:
        return error


@hypothesis.given(st.text() | NEARLY_URLS)
def test_any_text_is_taken_or_refused(text: str) -> None:
    """Whatever the text, the outcome is a URL in its normal form that h11 can send, or 2302001."""
    result = outcome(text)
    if isinstance(result, BusinessError):
        assert 2302001 == result.code
    else:
        host = (b"Host", result.host_header.encode("idna"))
        h11.Request(method="GET", target=result.target, headers=[host, (b"Origin", result.origin.encode())])
        normal = str(result)

        assert normal.isascii()
        assert len(normal) > MAX_URL_LENGTH or result == parse_url(normal)


@hypothesis.given(st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=20))
def test_international_names_settle_at_once(label: str) -> None:
    """A name that IDNA takes is its own normal form after one pass."""
    result = outcome(f"ws://{label}.example/")
    if isinstance(result, BusinessError):
        assert 2302001 == result.code
    else:
        assert result == parse_url(str(result))
