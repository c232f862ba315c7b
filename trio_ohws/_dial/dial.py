"""Open a byte stream to the server: TCP, a tunnel where a proxy leads there, TLS on top for ``wss://``."""

import logging
import ssl
from dataclasses import replace
from typing import Final

import trio

from trio_ohws._dial.network import dial_of_this_run
from trio_ohws._dial.proxy import choose_proxy, name_for_proxy, open_tunnel
from trio_ohws._dial.tcp import open_tcp
from trio_ohws._dial.tls import client_context, start_tls, tls_trouble
from trio_ohws.errors import UNKNOWN_ERROR, BusinessError, failure
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import UNRESTRICTED, Policy
from trio_ohws.proxy_server import ProxyServer
from trio_ohws.url import WebSocketURL

__all__ = ["context_for", "dial"]

logger: Final = logging.getLogger("trio_ohws")


async def dial(
    url: WebSocketURL,
    options: WebSocketRequestOptions,
    policy: Policy = UNRESTRICTED,
    ssl_context: ssl.SSLContext | None = None,
) -> trio.abc.Stream:
    """Connect to the server that a URL names.

    Addresses, the proxy's too, are tried as RFC 8305 has it (happy eyeballs). There is no timeout: the caller
    has one for the whole attempt, of which this is the first part.

    Args:
        url: A checked URL.
        options: Checked options, of which ``proxy`` and what is about TLS matter here.
        policy: What judges the addresses; that it allows the host was checked before.
        ssl_context: For TLS to the server, instead of what the options say; None for that.

    Returns:
        For ``ws://`` a ``trio.SocketStream``, unless there is a proxy that speaks TLS itself, or sent more
        than its answer; for ``wss://`` a ``trio.SSLStream`` after its handshake.

    Raises:
        BusinessError: 201, the operating system forbids the connection; 2302002, a certificate file has
            vanished; 2302998, the policy allows none of the server's addresses; 2302999 with data ``"0"``,
            anything else, with a message that says what happened and the cause attached.

    If cancelled:
        No socket stays open.

    Source: the API document, ``connect``.
    """
    replacement = dial_of_this_run()
    if replacement is not None:
        return await replacement(url, options, policy)
    # First what may fail without a packet sent.
    proxy = await choose_proxy(url, options)
    context = await context_for(url, options, ssl_context) if url.secure else None
    stream: trio.abc.Stream
    if proxy is None:
        stream = await open_tcp(url.host, url.port, policy)
    else:
        stream = await _through(proxy, url, options, policy)
    if context is None:
        return stream
    # A certificate names the host without the dot that ends a full name, and so does SNI (RFC 6066).
    return await start_tls(stream, url.host.removesuffix("."), context)


async def context_for(
    url: WebSocketURL, options: WebSocketRequestOptions, ssl_context: ssl.SSLContext | None
) -> ssl.SSLContext:
    """Build what TLS to the server goes by; arguments and errors as in `dial`."""
    if ssl_context is not None:
        return ssl_context
    if options.skip_server_cert_verification:
        words = "'skip_server_cert_verification' is set: nobody knows whether %s is who answers"
        logger.warning(words, url.host)
    return await trio.to_thread.run_sync(client_context, options)


async def _through(
    proxy: ProxyServer, url: WebSocketURL, options: WebSocketRequestOptions, policy: Policy
) -> trio.abc.Stream:
    context = None
    if proxy.scheme == "https":
        # The certificate by which the server knows us is none of the proxy's business, and whoever trusts any
        # server does not say that of the proxy, which gets our credentials.
        about_proxy = replace(options, client_cert=None, skip_server_cert_verification=False)
        context = await trio.to_thread.run_sync(client_context, about_proxy)
    name = await name_for_proxy(proxy, url, policy)
    stream: trio.abc.Stream = await open_tcp(proxy.host, proxy.port, called=str(proxy))
    if context is not None:
        stream = await _start_tls(stream, proxy, context)
    return await open_tunnel(stream, proxy, name, url.port)


async def _start_tls(stream: trio.abc.Stream, proxy: ProxyServer, context: ssl.SSLContext) -> trio.abc.Stream:
    try:
        return await start_tls(stream, proxy.host.removesuffix("."), context)
    except BusinessError as error:
        # Who is called "the server" in such words is the proxy here.
        trouble = tls_trouble(error) or "the connection broke during the handshake"
        raise failure(UNKNOWN_ERROR, f"TLS to {proxy}: {trouble}", "0") from error.__cause__
