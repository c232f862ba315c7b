"""Which servers are reached without a proxy: the rules of exclusion lists and of ``NO_PROXY``.

An item that is malformed matches nothing: a connection that takes the proxy although it need not is seen,
one that passes it by although it must not is a leak that nobody sees.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

import idna

__all__ = ["is_excluded"]

_BLANKS: Final = " \t\r\n"
_BITS: Final = re.compile(r"[0-9]{1,3}")
_WITH_PORT: Final = re.compile(r"(?P<name>[^:]*|\[[^\]]*\]):(?P<port>[0-9]{1,5})")

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_excluded(host: str, port: int, items: Iterable[str]) -> bool:
    """Tell whether a server is to be reached without the proxy.

    Each item may hold several, separated by commas. Upper and lower case are the same, and so are a name with
    and without its final dot. An item matches if it is

    - ``*``, which is every server;
    - ``<local>``, which is every name without a dot;
    - a name, which is the host itself or a domain that it is in; a dot may stand before it;
    - a name with a ``*`` in it, which stands for any characters, also none, also dots; the whole host must
      match, which may be an IPv4 address too;
    - an IPv4 or IPv6 address, the latter with or without brackets;
    - a network: an address, a slash and the number of bits that count;
    - one of these, other than ``<local>`` and networks, with a colon and the server's port; an IPv6 address
      has brackets then.

    Args:
        host: As in a parsed URL: lower-case ASCII, an address without brackets.
        port: From 1 to 65535.
        items: The list.

    Source: curl's documentation of ``NO_PROXY``; wildcards as the reference implementation has them;
    ``<local>`` is from Windows.
    """
    name = host.removesuffix(".")
    address = _address(name)
    return any(
        _matches(item.strip(_BLANKS).lower(), name, address, port)
        for several in items
        for item in several.split(",")
    )


def _matches(item: str, host: str, address: _IPAddress | None, port: int) -> bool:
    if item == "<local>":
        return address is None and "." not in host
    if "/" in item:
        network = _network(item)
        return network is not None and address is not None and address in network
    with_port = _WITH_PORT.fullmatch(item)
    if with_port:
        item = with_port["name"]
        if int(with_port["port"]) != port:
            return False
    if item == "*":
        return True
    literal = _address(item[1:-1] if item.startswith("[") and item.endswith("]") else item)
    if literal is not None:
        return literal == address
    name = _ascii(item).removesuffix(".")
    if "*" in name:
        return not isinstance(address, ipaddress.IPv6Address) and _matches_whole(name, host)
    name = name.removeprefix(".")
    return address is None and name != "" and (host == name or host.endswith(f".{name}"))


def _matches_whole(pattern: str, host: str) -> bool:
    """Match wildcards in linear time, which a regular expression would not promise."""
    first, *between, last = pattern.split("*")
    if len(host) < len(first) + len(last) or not (host.startswith(first) and host.endswith(last)):
        return False
    position, end = len(first), len(host) - len(last)
    for part in between:
        position = host.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


def _address(text: str) -> _IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(item: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    # ipaddress would take a mask for the number of bits, too.
    if not _BITS.fullmatch(item.partition("/")[2]):
        return None
    try:
        return ipaddress.ip_network(item, strict=False)
    except ValueError:
        return None


def _ascii(name: str) -> str:
    """Turn an international name into what stands in a parsed URL; "" if that cannot be."""
    if name.isascii():
        return name
    try:
        mapped = idna.uts46_remap(name, std3_rules=False)
        labels = [
            label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split(".")
        ]
    except ValueError:
        return ""
    # There are other characters that are mapped to an asterisk. None of them is meant as a wildcard.
    return ".".join(labels) if mapped.count("*") == name.count("*") else ""
