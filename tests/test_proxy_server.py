"""A proxy's URL: what it says, and the words for what it may not say."""

import re

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.chain import chain
from trio_ohws.proxy_server import ProxyServer, parse_proxy_url

READ = [
    ("http://proxy.example:3128", ProxyServer("http", "proxy.example", 3128)),
    ("http://proxy.example", ProxyServer("http", "proxy.example", 80)),
    ("http://proxy.example:", ProxyServer("http", "proxy.example", 80)),
    ("http://proxy.example:3128/", ProxyServer("http", "proxy.example", 3128)),
    ("https://proxy.example", ProxyServer("https", "proxy.example", 443)),
    ("socks4://p", ProxyServer("socks4", "p", 1080)),
    ("socks4a://p", ProxyServer("socks4a", "p", 1080)),
    ("socks5://p", ProxyServer("socks5", "p", 1080)),
    ("socks5h://p", ProxyServer("socks5h", "p", 1080)),
    ("SOCKS5H://Proxy.Example:1", ProxyServer("socks5h", "proxy.example", 1)),
    ("http://127.0.0.1:65535", ProxyServer("http", "127.0.0.1", 65535)),
    ("http://[::1]:3128", ProxyServer("http", "::1", 3128)),
    ("http://[0:0::1]", ProxyServer("http", "::1", 80)),
    ("http://bücher.example", ProxyServer("http", "xn--bcher-kva.example", 80)),
    ("http://u:s@p:1", ProxyServer("http", "p", 1, "u", "s")),
    ("http://u@p:1", ProxyServer("http", "p", 1, "u")),
    ("http://u:@p:1", ProxyServer("http", "p", 1, "u", "")),
    ("http://@p:1", ProxyServer("http", "p", 1)),
    ("http://:@p:1", ProxyServer("http", "p", 1, None, "")),
    ("http://u:a:b@p:1", ProxyServer("http", "p", 1, "u", "a:b")),
    ("http://u:a@b@p:1", ProxyServer("http", "p", 1, "u", "a@b")),
    ("http://%75:%2F%40%3a%25@p:1", ProxyServer("http", "p", 1, "u", "/@:%")),
    ("http://ü:%C3%BC@p:1", ProxyServer("http", "p", 1, "ü", "ü")),
    ("http://u:100%@p:1", ProxyServer("http", "p", 1, "u", "100%")),
    ("socks5h://user:pw@host:1080", ProxyServer("socks5h", "host", 1080, "user", "pw")),
    ("socks5://a%3Ab:pw@host", ProxyServer("socks5", "host", 1080, "a:b", "pw")),
    (f"socks5://{'u' * 255}:{'s' * 255}@p", ProxyServer("socks5", "p", 1080, "u" * 255, "s" * 255)),
    ("socks4://user@host", ProxyServer("socks4", "host", 1080, "user")),
    ("socks4a://user:@host", ProxyServer("socks4a", "host", 1080, "user", "")),
]

REFUSED = [
    ("", "it must start with one of http://, https://, socks4://, socks4a://, socks5://, socks5h://"),
    ("p:3128", "it must start with one of"),
    ("//p:3128", "it must start with one of"),
    ("ftp://p:3128", "it must start with one of"),
    ("socks://p:3128", "it must start with one of"),
    (" http://p:3128", "it must start with one of"),
    ("http://", "its host or port is malformed"),
    ("http://:3128", "its host or port is malformed"),
    ("http://u:s@", "its host or port is malformed"),
    ("http://p:port", "its host or port is malformed"),
    ("http://p:-1", "its host or port is malformed"),
    ("http://::1:3128", "its host or port is malformed"),
    ("http://[::1]3128", "its host or port is malformed"),
    ("http://[::1", "its host or port is malformed"),
    ("http://p:123456", "its host or port is malformed"),
    ("http://p:0", "its port must be from 1 to 65535"),
    ("http://p:65536", "its port must be from 1 to 65535"),
    ("http://[p]", "its host is malformed"),
    ("http://a b", "its host is malformed"),
    ("http://a\nb", "its host is malformed"),
    ("http://a..b", "its host is malformed"),
    ("http://1.2.3", "its host is malformed"),
    ("http://p:1/path", "nothing may follow the port"),
    ("http://p:1?query", "nothing may follow the port"),
    ("http://p:1#fragment", "nothing may follow the port"),
    ("http://u:a/b@p:1", "nothing may follow the port"),
    ("http://u:%FF@p:1", "its credentials are not UTF-8"),
    ("http://u:\ud800@p:1", "its credentials are not UTF-8"),
    ("http://u:a\r\nb@p:1", "its credentials contain a control character"),
    ("http://u:a%0D%0Ab@p:1", "its credentials contain a control character"),
    ("http://:s@p:1", "there is a password, but no username"),
    ("http://a%3Ab:s@p:1", "the username must not contain a colon"),
    ("socks4://u:s@p:1", "SOCKS4 has no passwords"),
    ("socks4a://ü@p:1", "credentials for SOCKS must be ASCII"),
    ("socks5://u:ü@p:1", "credentials for SOCKS must be ASCII"),
    ("socks5://u@p:1", "there is a username, but no password"),
    ("socks5h://u:@p:1", "there is a username, but no password"),
    ("socks5h://:s@p:1", "there is a password, but no username"),
    (f"socks5://{'u' * 256}:s@p:1", "credentials for SOCKS5 are at most 255 bytes"),
    (f"socks5://u:{'s' * 256}@p:1", "credentials for SOCKS5 are at most 255 bytes"),
]


@pytest.mark.parametrize(("url", "server"), READ)
def test_what_a_url_says(url: str, server: ProxyServer) -> None:
    """Scheme, host, port and credentials are read as they are meant."""
    assert server == parse_proxy_url(url)


@pytest.mark.parametrize(("url", "words"), REFUSED)
def test_what_a_url_may_not_say(url: str, words: str) -> None:
    """Whatever cannot be meant or sent is refused, in words that say what to mend."""
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        parse_proxy_url(url)


@hypothesis.given(st.from_regex(r"(https?|socks[45][ah]?)://s3cr3t:?[^/]{0,8}s3cr3t@?.{0,9}", fullmatch=True))
def test_credentials_are_in_no_words(url: str) -> None:
    """Neither the server's repr nor a refusal repeats credentials."""
    try:
        server = parse_proxy_url(url)
        # Without an "@" it is the host that is called so.
        said = f"{server!r} {server}".replace(server.host, "")
    except ValueError as error:
        said = "".join(f"{one!r} {one}" for one in chain(error))

    assert "s3cr3t" not in said


def test_a_server_is_named() -> None:
    """A server's text names it for messages."""
    assert "the proxy h port 1" == str(ProxyServer("http", "h", 1, "u", "s"))
