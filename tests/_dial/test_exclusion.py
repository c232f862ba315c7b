"""Exclusion lists: who is reached without the proxy, and that nobody else is."""

import ipaddress
import string
from typing import NamedTuple

import hypothesis
import pytest
from hypothesis import strategies as st

from trio_ohws._dial.exclusion import is_excluded
from trio_ohws.url import parse_url

CURL_NAMES = (
    "curl's CURLOPT_NOPROXY and --noproxy: each name is the host itself, or a domain that contains it; "
    "'ample.com' is also www.ample.com, but neither www.example.com nor ample.com.org"
)
CURL_DOT = "curl's unit test 1614: a dot before a name changes nothing, so the domain itself is excluded too"
CURL_FINAL_DOT = "curl's unit test 1614: a final dot, of the host or of the item, changes nothing"
CURL_CASE = "curl's unit test 1614: upper and lower case are the same"
CURL_LIST = "curl: a list separated by commas; blanks around an item and empty items are nothing"
CURL_STAR = "curl: a single '*' is every host"
CURL_PORT = "curl: a name without a port is the host at any port ('ample.com' is ample.com:80)"
CURL_ADDRESS = "curl: addresses are compared as addresses, and an IPv6 address has no brackets in the list"
CURL_CIDR = "curl: an appended slash and number is how many bits of the address are compared"
CURL_NOT_CIDR = "curl's unit test 1614: more bits than an address has match nothing"
CURL_EMPTY = "curl: an empty list excludes nobody"
STAR_AMONG_OTHERS = "the reference implementation: an item '*' is every host, also beside others"
WILDCARD = (
    "the reference implementation: '*' is any run, also empty, also across dots; the whole host must match"
)
PORT = "beyond curl, as Go and Node have it: an item with a port is the host at that port only"
BRACKETS = "beyond curl: an IPv6 address may have brackets"
LOCAL = "Windows: '<local>' is every name without a dot"
INTERNATIONAL = "beyond curl's documentation: an international name is its A-labels"
MALFORMED = "an item that is malformed matches nothing"


class Case(NamedTuple):
    """A list, a server, and whether the one excludes the other."""

    rule: str
    items: str
    host: str
    excluded: bool
    port: int = 80


CASES = [
    Case(CURL_NAMES, "ample.com", "ample.com", True),
    Case(CURL_NAMES, "ample.com", "www.ample.com", True),
    Case(CURL_NAMES, "ample.com", "a.b.c.ample.com", True),
    Case(CURL_NAMES, "ample.com", "www.example.com", False),
    Case(CURL_NAMES, "ample.com", "example.com", False),
    Case(CURL_NAMES, "ample.com", "ample.com.org", False),
    Case(CURL_NAMES, "example.com", "evilexample.com", False),
    Case(CURL_NAMES, "example.com", "com", False),
    Case(CURL_NAMES, "www.example.com", "example.com", False),
    Case(CURL_NAMES, "com", "example.com", True),
    Case(CURL_NAMES, "local.com", "www.notlocal.com", False),
    Case(CURL_NAMES, "localhost", "localhost", True),
    Case(CURL_NAMES, "localhost", "notlocalhost", False),
    Case(CURL_NAMES, "localhost", "127.0.0.1", False),
    Case(CURL_NAMES, "foobar", "barfoo", False),
    Case(CURL_DOT, ".example.com", "www.example.com", True),
    Case(CURL_DOT, ".example.com", "example.com", True),
    Case(CURL_DOT, ".example.com", "nonexample.com", False),
    Case(CURL_DOT, "..example.com", "example.com", False),
    Case(CURL_DOT, ".", "example.com", False),
    Case(CURL_FINAL_DOT, "example.com", "example.com.", True),
    Case(CURL_FINAL_DOT, "example.com", "www.example.com.", True),
    Case(CURL_FINAL_DOT, "example.com.", "example.com", True),
    Case(CURL_FINAL_DOT, ".example.com.", "www.example.com", True),
    Case(CURL_FINAL_DOT, "example.com.", "www.example.com.", True),
    Case(CURL_FINAL_DOT, "example.com.", "nonexample.com.", False),
    Case(CURL_CASE, "EXAMPLE.com", "www.example.com", True),
    Case(CURL_CASE, ".Example.COM", "example.com", True),
    Case(CURL_CASE, "BAR", "bar", True),
    Case(CURL_CASE, "2001:DB8::1", "2001:db8::1", True),
    Case(CURL_LIST, "localhost,example.com,.example.de", "www.example.de", True),
    Case(CURL_LIST, "localhost,.example.com,.example.de", "example.com", True),
    Case(CURL_LIST, "localhost,.example.com,.example.de", "example.org", False),
    Case(CURL_LIST, "foo, bar", "bar", True),
    Case(CURL_LIST, "foo , bar", "foo", True),
    Case(CURL_LIST, "\tfoo\t,bar", "foo", True),
    Case(CURL_LIST, "foo,,,,,              bar", "bar", True),
    Case(CURL_LIST, "foo,,,,,              bar", "baz", False),
    Case(CURL_LIST, "127.0.0.1,localhost,", "127.0.0.1", True),
    Case(CURL_LIST, "www2.example.com, .example.net", "www.example.com", False),
    Case(CURL_STAR, "*", "example.com", True),
    Case(CURL_STAR, "*", "localhost", True),
    Case(CURL_STAR, "*", "10.0.0.1", True),
    Case(CURL_STAR, "*", "::1", True),
    Case(CURL_PORT, "ample.com", "ample.com", True, 8080),
    Case(CURL_PORT, "ample.com", "www.ample.com", True, 443),
    Case(CURL_PORT, "10.0.0.1", "10.0.0.1", True, 8080),
    Case(CURL_PORT, "::1", "::1", True, 8080),
    Case(CURL_ADDRESS, "127.0.0.1", "127.0.0.1", True),
    Case(CURL_ADDRESS, "127.0.0.1", "127.0.0.2", False),
    Case(CURL_ADDRESS, "localhost,127.0.0.1", "127.0.0.1", True),
    Case(CURL_ADDRESS, "0.0.1", "127.0.0.1", False),
    Case(CURL_ADDRESS, ".0.0.1", "127.0.0.1", False),
    Case(CURL_ADDRESS, "1", "127.0.0.1", False),
    Case(CURL_ADDRESS, "foobar", "192.168.0.1", False),
    Case(CURL_ADDRESS, "127.0.0.1.127.0.0.1", "127.0.0.1", False),
    Case(CURL_ADDRESS, "example.com,::1,localhost", "::1", True),
    Case(CURL_ADDRESS, "0:0::1", "::1", True),
    Case(CURL_ADDRESS, "::1", "::2", False),
    Case(CURL_ADDRESS, "::1", "127.0.0.1", False),
    Case(CURL_ADDRESS, "127.0.0.1", "::ffff:7f00:1", False),
    Case(CURL_CIDR, "192.168.0.0/16", "192.168.0.1", True),
    Case(CURL_CIDR, "192.168.0.0/16", "192.168.255.255", True),
    Case(CURL_CIDR, "192.168.0.0/16", "192.169.0.1", False),
    Case(CURL_CIDR, "192.168.0.0/24", "192.168.0.1", True),
    Case(CURL_CIDR, "192.168.0.0/24", "192.168.1.1", False),
    Case(CURL_CIDR, "192.168.0.0/32", "192.168.0.1", False),
    Case(CURL_CIDR, "192.168.0.1/32", "192.168.0.1", True),
    Case(CURL_CIDR, "192.168.0.0", "192.168.0.1", False),
    Case(CURL_CIDR, "127.0.0.1/8", "127.255.0.1", True),
    Case(CURL_CIDR, "127.0.0.1/28", "127.0.0.15", True),
    Case(CURL_CIDR, "127.0.0.1/28", "127.0.0.16", False),
    Case(CURL_CIDR, "10.0.0.0/9", "10.127.0.1", True),
    Case(CURL_CIDR, "10.0.0.0/9", "10.128.0.1", False),
    Case(CURL_CIDR, "foo, bar, 192.168.0.0/16", "192.168.1.1", True),
    Case(CURL_CIDR, "foo, bar, 192.168.0.0/16", "::1", False),
    Case(CURL_CIDR, "foo, bar, ::1/64", "::1", True),
    Case(CURL_CIDR, "foo, bar, ::1/64", "bar", True),
    Case(CURL_CIDR, "fe80::/64", "fe80::ab47:4396:55c9:8474", True),
    Case(CURL_CIDR, "2001:db8::/32", "2001:db9::1", False),
    Case(CURL_CIDR, "10.0.0.0/8", "10.example.com", False),
    Case(CURL_CIDR, "0.0.0.0/1", "10.0.0.1", True),
    Case(CURL_NOT_CIDR, "192.160.0.1/33", "192.160.0.1", False),
    Case(CURL_NOT_CIDR, "::1/129", "::1", False),
    Case(CURL_EMPTY, "", "example.com", False),
    Case(CURL_EMPTY, " ", "example.com", False),
    Case(CURL_EMPTY, ",", "example.com", False),
    Case(STAR_AMONG_OTHERS, "foo, *", "example.com", True),
    Case(STAR_AMONG_OTHERS, "*,foo", "::1", True),
    Case(WILDCARD, "*.example.com", "www.example.com", True),
    Case(WILDCARD, "*.example.com", "a.b.example.com", True),
    Case(WILDCARD, "*.example.com", "example.com", False),
    Case(WILDCARD, "*.example.com", "www.example.com.evil.org", False),
    Case(WILDCARD, "*example.com", "example.com", True),
    Case(WILDCARD, "*example.com", "another-example.com", True),
    Case(WILDCARD, "www.*.com", "www.example.com", True),
    Case(WILDCARD, "www.*.com", "www.a.b.com", True),
    Case(WILDCARD, "www.*.com", "www.com", False),
    Case(WILDCARD, "www.*", "www.example.com", True),
    Case(WILDCARD, "www.*", "www", False),
    Case(WILDCARD, "a*b*c", "abc", True),
    Case(WILDCARD, "a*b*c", "a-bb-c", True),
    Case(WILDCARD, "a*b*c", "acb", False),
    Case(WILDCARD, "a*a", "a", False),
    Case(WILDCARD, "a*ab*b", "ab", False),
    Case(WILDCARD, "*.Example.com.", "www.example.com", True),
    Case(WILDCARD, "10.0.*", "10.0.0.1", True),
    Case(WILDCARD, "10.0.*", "10.1.0.1", False),
    Case(WILDCARD, "*1", "::1", False),
    Case(WILDCARD, "www.ex?mple.com", "www.example.com", False),
    Case(PORT, "example.com:8080", "example.com", True, 8080),
    Case(PORT, "example.com:8080", "www.example.com", True, 8080),
    Case(PORT, "example.com:8080", "example.com", False, 80),
    Case(PORT, "example.com:8080", "evilexample.com", False, 8080),
    Case(PORT, "127.0.0.1:8080", "127.0.0.1", True, 8080),
    Case(PORT, "127.0.0.1:8080", "127.0.0.1", False, 80),
    Case(PORT, "[::1]:8080", "::1", True, 8080),
    Case(PORT, "[::1]:8080", "::1", False, 80),
    Case(PORT, "2001:db8::1:80", "2001:db8::1", False, 80),
    Case(PORT, "*:8080", "example.com", True, 8080),
    Case(PORT, "*:8080", "example.com", False, 80),
    Case(PORT, "*.example.com:8080", "www.example.com", True, 8080),
    Case(BRACKETS, "[::1]", "::1", True),
    Case(BRACKETS, "[::1]", "::2", False),
    Case(LOCAL, "<local>", "intranet", True),
    Case(LOCAL, "<LOCAL>", "intranet.", True),
    Case(LOCAL, "<local>", "intranet.example.com", False),
    Case(LOCAL, "<local>", "127.0.0.1", False),
    Case(LOCAL, "<local>", "::1", False),
    Case(INTERNATIONAL, "bücher.example", "xn--bcher-kva.example", True),
    Case(INTERNATIONAL, "*.BÜCHER.example", "www.xn--bcher-kva.example", True),
    Case(INTERNATIONAL, "xn--bcher-kva.example", "xn--bcher-kva.example", True),
    Case(INTERNATIONAL, "bücher.example", "buecher.example", False),
    Case(MALFORMED, ":", "example.com", False),
    Case(MALFORMED, ":80", "example.com", False),
    Case(MALFORMED, "example.com:http", "example.com", False),
    Case(MALFORMED, "http://example.com", "example.com", False),
    Case(MALFORMED, "foo bar", "bar", False),
    Case(MALFORMED, "10.0.0.0/255.0.0.0", "10.0.0.1", False),
    Case(MALFORMED, "10.0.0.0/", "10.0.0.0", False),
    Case(MALFORMED, "/8", "10.0.0.1", False),
    Case(MALFORMED, "10.0.0.0/8/8", "10.0.0.1", False),
    Case(MALFORMED, "010.0.0.1", "10.0.0.1", False),
    Case(MALFORMED, "[::1", "::1", False),
    Case(MALFORMED, "example..com", "example.com", False),
    Case(MALFORMED, "a\u0378.com", "a.com", False),
    Case(MALFORMED, "\uff0a", "example.com", False),
    Case(MALFORMED, "\uff0a.example", "www.example", False),
]

LABELS = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=4)
# The last label begins with a letter: a number there would be an address.
NAMES = st.builds(
    lambda labels, last: ".".join([*labels, f"x{last}"]), st.lists(LABELS, max_size=3), LABELS.map(str.lower)
)
ADDRESSES = st.ip_addresses().map(str)
HOSTS = NAMES | ADDRESSES


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.items!r} and {case.host}:{case.port}")
def test_the_rules(case: Case) -> None:
    """Each rule excludes whom it names, and nobody besides."""
    assert case.excluded == is_excluded(case.host, case.port, [case.items]), case.rule


def test_the_table_is_large_enough() -> None:
    """At least 60 cases are about what curl documents."""
    assert 60 <= sum(case.rule.startswith("curl") for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.items!r} and {case.host}:{case.port}")
def test_hosts_of_the_table(case: Case) -> None:
    """The table's hosts are what a parsed URL has."""
    host = f"[{case.host}]" if ":" in case.host else case.host

    assert case.host == parse_url(f"ws://{host}").host


def test_several_items() -> None:
    """A list may come in elements, in one element with commas, or both."""
    assert is_excluded("b", 80, ["a", "b"])
    assert is_excluded("b", 80, ["a,b", "c"])
    assert not is_excluded("d", 80, ["a,b", "c"])
    assert not is_excluded("d", 80, [])


def tail(item: str) -> str:
    """What a host must end in to be excluded by a name: what follows the last asterisk, without the port."""
    return item.lower().partition(":")[0].rpartition("*")[2].removesuffix(".")


def is_address(text: str, address: str) -> bool:
    """Whether a text is an address, written in whatever way."""
    try:
        return ipaddress.ip_address(text) == ipaddress.ip_address(address)
    except ValueError:
        return False


@hypothesis.given(
    host=NAMES, domain=NAMES, form=st.sampled_from(["{}", ".{}", "{}.", "{}:80", ".{}:80", "{},"])
)
def test_a_domain_never_excludes_a_host_outside(host: str, domain: str, form: str) -> None:
    """Whatever a domain's item looks like, it excludes the domain and what is below it, nothing else."""
    inside = f".{host}".endswith(f".{domain}")

    assert inside == is_excluded(host, 80, [form.format(domain)])
    assert is_excluded(f"{host}.{domain}", 80, [form.format(domain)])
    assert not is_excluded(f"{host}-{domain}", 80, [form.format(domain)])


@hypothesis.given(
    host=NAMES, item=st.text("*.:8wxyzABC<>[]/", max_size=8) | st.text(st.characters(max_codepoint=127))
)
def test_no_item_excludes_a_name_outside(host: str, item: str) -> None:
    """No item, however wild, excludes a name that does not end in what the item ends in."""
    hypothesis.assume("," not in item and item != "<local>")
    if is_excluded(host, 8, [item]):
        ending = tail(item.strip())

        assert host.endswith(ending)
        assert "*" in item or f".{host}".endswith(f".{ending.removeprefix('.')}")


@hypothesis.given(address=ADDRESSES, item=NAMES | ADDRESSES | st.text("0123456789.:", max_size=12))
def test_an_address_is_excluded_only_by_itself(address: str, item: str) -> None:
    """Nothing excludes an address but the address in any spelling, with or without the port."""
    same = [given for given in (item, item.removesuffix(":80")) if is_address(given, address)]

    assert bool(same) == is_excluded(address, 80, [item])
    assert is_excluded(address, 80, [address])


@hypothesis.given(address=st.ip_addresses(v=4), network=st.ip_addresses(v=4), bits=st.integers(0, 40))
def test_a_network_is_as_many_bits(
    address: ipaddress.IPv4Address, network: ipaddress.IPv4Address, bits: int
) -> None:
    """A network excludes the addresses that have its first bits, and no others."""
    first = f"{address:b}"[:bits] == f"{network:b}"[:bits]

    assert (bits <= 32 and first) == is_excluded(str(address), 80, [f"{network}/{bits}"])


@hypothesis.given(host=HOSTS, items=st.lists(st.text(max_size=12)), port=st.integers(1, 65535))
def test_no_list_is_an_error(host: str, items: list[str], port: int) -> None:
    """Whatever stands in a list, the answer is a yes or a no."""
    assert is_excluded(host, port, items) in {True, False}
