"""The proxy that somebody has set up for this computer or this process.

A setting that cannot be understood fails the connection: to pass a proxy by because of a slip of the pen is
not what anybody meant.
"""

import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import trio

from trio_ohws.errors import UNKNOWN_ERROR, failure
from trio_ohws.proxy_server import ProxyServer, parse_proxy_url
from trio_ohws.url import WebSocketURL

__all__ = ["environment_proxy", "platform_proxy", "system_proxy"]

_ALL: Final = "all_proxy"
_NONE: Final = "no_proxy"
_PLAIN: Final = "http_proxy"
_SECURE: Final = "https_proxy"
_CGI: Final = "REQUEST_METHOD"
_DECISIVE: Final = {
    False: (_PLAIN, _PLAIN.upper(), _ALL, _ALL.upper()),
    True: (_SECURE, _SECURE.upper(), _ALL, _ALL.upper()),
}
"""Without any of these there is no proxy in the environment for ws, or for wss."""
_NAMES: Final = (_PLAIN, _SECURE, _ALL, _NONE)
_VARIABLES: Final = (*_NAMES, *map(str.upper, _NAMES), _CGI)


async def system_proxy(url: WebSocketURL) -> ProxyServer | None:
    """Find the proxy for a server, and the list of those that need none.

    The environment is asked first. If it says nothing at all about proxies, the settings of Windows or macOS
    are, as urllib does it.

    Returns:
        The proxy, or None.

    Raises:
        BusinessError: 2302999, a setting is not the URL of a proxy.

    If cancelled:
        Nothing has happened.
    """
    only_environment = urllib.request.getproxies is urllib.request.getproxies_environment
    if only_environment and not any(map(os.environ.__contains__, _DECISIVE[url.secure])):
        return None  # as a rule; each look costs 2 µs
    # A copy of what matters, since a whole environment takes longer to read than a connection to make. A
    # copy, since os.environ takes either case for the other on Windows: that would undo the care about CGI.
    environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    if any(_setting(environment, name) for name in _NAMES):
        return environment_proxy(url, environment)
    if only_environment:
        return None  # this platform has no other settings
    settings = urllib.request.getproxies()
    if not settings:
        return None
    # The list of exclusions may be one of addresses: Windows looks names up for that.
    return await trio.to_thread.run_sync(platform_proxy, url, settings)


def environment_proxy(url: WebSocketURL, environment: Mapping[str, str]) -> ProxyServer | None:
    """Find the proxy for a server in environment variables.

    ``http_proxy`` is for ws, ``https_proxy`` for wss, ``all_proxy`` for what these leave open, and
    ``no_proxy`` the list of exclusions. The same in capitals counts where the lower case is not set at all.

    Returns:
        The proxy, or None.

    Raises:
        BusinessError: 2302999, a variable is not the URL of a proxy.

    Source: curl's documentation of its environment; RFC 3875 section 4.1.18 for CGI.
    """
    for name in (_SECURE if url.secure else _PLAIN, _ALL):
        setting = _setting(environment, name)
        if setting:
            server = _parsed(setting, f"the environment's {name}")
            return replace(server, exclusion_list=(_setting(environment, _NONE),))
    return None


def platform_proxy(
    url: WebSocketURL,
    settings: Mapping[str, str],
    is_bypassed: Callable[[str], object] = urllib.request.proxy_bypass,
) -> ProxyServer | None:
    """Find the proxy for a server in the platform's settings; blocking, for a worker thread.

    Args:
        url: The server.
        settings: URLs by the scheme that they are for.
        is_bypassed: Tells whether a host is on the platform's list of exclusions.

    Returns:
        The proxy, or None.

    Raises:
        BusinessError: 2302999, a setting is not the URL of a proxy.
    """
    setting = settings.get("https" if url.secure else "http")
    # urllib would cut an IPv6 address without brackets at its last colon.
    if not setting or is_bypassed(f"[{url.host}]" if ":" in url.host else url.host):
        return None
    return _parsed(setting, "the system's setting")


def _setting(environment: Mapping[str, str], name: str) -> str:
    """Read a variable; the lower case wins even if it is empty."""
    if name in environment:
        return environment[name].strip()
    # A CGI program gets the client's header "Proxy" as HTTP_PROXY, and nobody must be able to choose the
    # proxy of a server by sending a header. REQUEST_METHOD is how such a program knows what it is.
    if name == _PLAIN and _CGI in environment:
        return ""
    return environment.get(name.upper(), "").strip()


def _parsed(setting: str, called: str) -> ProxyServer:
    try:
        return parse_proxy_url(setting if "://" in setting else f"http://{setting}")
    except ValueError as error:
        raise failure(UNKNOWN_ERROR, f"{called} is not the URL of a proxy: {error}", "0") from error
