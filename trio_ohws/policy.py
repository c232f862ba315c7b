"""What a program is allowed to reach: the sandbox that OpenHarmony gives its applications.

Everything that is not known to be allowed is refused, since a policy that fails open is none.
"""

import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trio_ohws.errors import DOMAIN_NOT_ALLOWED, PERMISSION_DENIED, BusinessError, failure
from trio_ohws.url import parse_url

__all__ = ["UNRESTRICTED", "Policy", "is_address"]

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# All that the IANA has given out as global unicast; the rest is special in some way.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# RFC 6052: a gateway sends these on to the IPv4 address in the last four bytes.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the sockets that are created with it may do.

    Args:
        internet: Whether they have the permission ``ohos.permission.INTERNET``.
        allowed_domains: The hosts that they may connect to: names, ``"*.suffix"`` for all names below the
            suffix but not the suffix itself, and addresses. None, the default, allows every host.
        allow_private_addresses: Whether they may connect to loopback, link-local, private and other
            addresses that are not global. If not, that is judged by the address that is really dialled, so
            that no DNS answer can get round it.

    A host must pass all three. Through a proxy the server's name is what is checked, since the proxy resolves
    it; the proxy itself is not.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an element of ``allowed_domains`` is neither a host nor such a pattern.

    Source: the API document's codes 201 and 2302998; the policy itself is beyond OHOS.
    """

    internet: bool = True
    allowed_domains: Sequence[str] | None = None
    allow_private_addresses: bool = True

    def __post_init__(self) -> None:
        for name in ("internet", "allow_private_addresses"):
            value: object = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
        if self.allowed_domains is not None:
            object.__setattr__(self, "allowed_domains", _domains(self.allowed_domains))

    def check_permission(self) -> None:
        """Make sure that the network may be used at all.

        Raises:
            BusinessError: 201, it may not.
        """
        if not self.internet:
            raise failure(PERMISSION_DENIED, "the policy withholds ohos.permission.INTERNET")

    def check_host(self, host: str) -> None:
        """Make sure that a host may be connected to, as far as its name tells.

        Args:
            host: A name or an address, without a port; an IPv6 address with or without brackets.

        Raises:
            BusinessError: 2302998, it may not.
        """
        if self.allowed_domains is None and self.allow_private_addresses:
            return
        try:
            normal = _normal_host(host)
        except ValueError as error:
            raise failure(DOMAIN_NOT_ALLOWED, f"{host!r} is not a host") from error
        if self.allowed_domains is not None and not any(
            _allows(domain, normal) for domain in self.allowed_domains
        ):
            raise failure(DOMAIN_NOT_ALLOWED, f"the policy does not list {host!r}")
        if self.allow_private_addresses:
            return
        if is_address(normal):
            self.check_address(normal)
        # RFC 6761 section 6.3: whoever resolves it, this is the loopback address.
        elif f".{normal}".endswith(".localhost"):
            raise _private(host)

    def check_address(self, address: str) -> None:
        """Make sure that an address may be dialled.

        Args:
            address: An IPv4 or IPv6 address, without brackets; a zone is ignored.

        Raises:
            BusinessError: 2302998, it may not.
        """
        if self.allow_private_addresses:
            return
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError as error:
            raise failure(DOMAIN_NOT_ALLOWED, f"{address!r} is not an address") from error
        if not _is_global(parsed):
            raise _private(address)


UNRESTRICTED: Final = Policy()
"""What holds where no policy is given."""


def _private(host: str) -> BusinessError:
    return failure(DOMAIN_NOT_ALLOWED, f"the policy does not allow private addresses such as {host!r}")


def _domains(value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"allowed_domains must be a sequence of str, or None, not {type(value).__name__}")
    for item in value:
        if not isinstance(item, str):
            raise TypeError(f"allowed_domains must be a sequence of str; {item!r} is none")
    return tuple(_domain(item) for item in value)


def _domain(item: str) -> str:
    suffix = item.removeprefix("*.")
    try:
        normal = _normal_host(suffix)
    except ValueError as error:
        raise ValueError(f"allowed_domains: {item!r} is not a host, nor '*.' and a name: {error}") from error
    if suffix == item:
        return normal
    if is_address(normal):
        raise ValueError(f"allowed_domains: {item!r} is not a host, nor '*.' and a name")
    return f"*.{normal}"


def _normal_host(host: str) -> str:
    """Bring a host into the form that URLs have after parsing, but without a final dot."""
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed or ":" in host:
        address = ipaddress.IPv6Address(host[1:-1] if bracketed else host)
        if address.scope_id is not None:
            raise ValueError("an address with a zone")
        return str(address)
    if set(host) & set("/?@"):
        raise ValueError("there is more to it than a host")
    try:
        return parse_url(f"ws://{host}").host.removesuffix(".")
    except BusinessError as error:
        raise ValueError(error.message) from error


def _allows(domain: str, host: str) -> bool:
    return host.endswith(domain[1:]) if domain.startswith("*") else host == domain


@functools.lru_cache(maxsize=64)
def is_address(host: str) -> bool:
    """Tell an IP address, without brackets, from a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_global(address: _IPAddress) -> bool:
    """Tell whether packets to an address leave for the public Internet, in whatever it is wrapped."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(address.packed[-4:])
    if inner is not None:
        return _is_global(inner)
    return address in _GLOBAL_UNICAST and address.is_global
