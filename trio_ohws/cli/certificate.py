"""What a certificate says, read from its DER.

Python decodes only a certificate that it has verified, and the one to look at is the one that failed. So this
reads the few fields that tell people why (RFC 5280 section 4.1), and judges nothing.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Certificate", "read_certificate"]

_COMMON_NAME: Final = b"\x55\x04\x03"
_ORGANIZATION: Final = b"\x55\x04\x0a"
_ALTERNATIVE_NAMES: Final = b"\x55\x1d\x11"

_UTC_TIME: Final = 0x17
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_DNS_NAME: Final = 0x82
_IP_ADDRESS: Final = 0x87

_Node = tuple[int, bytes]  # a tag, and what it holds


@dataclass(frozen=True, slots=True)
class Certificate:
    """Some of a certificate's fields.

    Attributes:
        subject: whom it is about: the common name, or else the organization.
        issuer: who says so, the same way.
        not_before: from when on it is valid.
        not_after: until when.
        names: the host names and addresses that it is for.
    """

    subject: str
    issuer: str
    not_before: dt.datetime
    not_after: dt.datetime
    names: tuple[str, ...]


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate.

    Raises:
        ValueError: it is none.
    """
    try:
        (_, whole) = next(_nodes(der))
        (_, signed) = next(_nodes(whole))
        fields = list(_nodes(signed))
        if fields[0][0] == _VERSION:
            del fields[0]
        _serial, _algorithm, issuer, validity, subject, _key, *rest = fields
        begin, end = map(_time, _nodes(validity[1]))
        names = [name for tag, value in rest if tag == _EXTENSIONS for name in _names(value)]
    except (StopIteration, IndexError) as error:
        raise ValueError("it is cut short") from error
    return Certificate(_name(subject), _name(issuer), begin, end, tuple(names))


def _nodes(data: bytes) -> Iterator[_Node]:
    """Walk through what stands side by side (X.690 section 8.1)."""
    position = 0
    while position < len(data):
        tag, size = data[position], data[position + 1]
        position += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(data[position : position + digits], "big")
            position += digits
        if position + size > len(data):
            raise ValueError("it is cut short")
        yield tag, data[position : position + size]
        position += size


def _name(node: _Node) -> str:
    found: dict[bytes, str] = {}
    for _, several in _nodes(node[1]):
        for _, pair in _nodes(several):
            (_, kind), (_, value) = _nodes(pair)
            found.setdefault(kind, value.decode("utf-8", "replace"))
    return found.get(_COMMON_NAME) or found.get(_ORGANIZATION) or "(no name)"


def _time(node: _Node) -> dt.datetime:
    tag, value = node
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    # The pivot of two-digit years differs: RFC 5280 has 1950 to 2049, Python 1969 to 2068.
    time = dt.datetime.strptime(value.decode("ascii"), form).replace(tzinfo=dt.UTC)
    return time.replace(year=time.year - 100) if tag == _UTC_TIME and time.year >= 2050 else time


def _names(extensions: bytes) -> Iterator[str]:
    for _, several in _nodes(extensions):
        for _, extension in _nodes(several):
            (_, kind), *_, (_, value) = _nodes(extension)
            if kind == _ALTERNATIVE_NAMES:
                yield from _alternative_names(value)


def _alternative_names(value: bytes) -> Iterator[str]:
    for _, several in _nodes(value):
        for tag, name in _nodes(several):
            if tag == _DNS_NAME:
                yield name.decode("ascii", "replace")
            elif tag == _IP_ADDRESS:
                yield str(ipaddress.ip_address(name))
