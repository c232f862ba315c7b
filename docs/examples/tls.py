"""Say whom to trust, and who we are."""

import logging
import ssl
import sys
from typing import Any

import trio
from loopback_tls import certificate_files, tls_echo_server

import trio_ohws


async def attempt(url: str, options: dict[str, Any] | None = None, **settings: Any) -> None:
    """Connect, and tell what comes of it."""
    try:
        async with trio_ohws.open_websocket(url, options, **settings) as ws:
            await ws.send("hello")
            print("the server says", await ws.receive())
    except trio_ohws.BusinessError as error:
        print(error.code, error.message.partition(": ")[2].replace("; ", "\n  "))


async def main() -> None:
    """Go from no trust to too much."""
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s: %(message)s")
    with certificate_files() as files:
        ca = str(files / "ca.pem")
        async with tls_echo_server() as url:
            # By default the system's authorities are trusted, and nobody else.
            await attempt(url)

            # An authority of your own, instead: a file, or a directory of files.
            await attempt(url, {"caPath": ca})

            # The certificate must be for the host that you ask for.
            await attempt(url.replace("localhost", "127.0.0.1"), {"caPath": ca})

            # A context of your own is used as it is.
            context = ssl.create_default_context(cafile=ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            await attempt(url, ssl_context=context)

            # No verification at all: for a test bench, and never without a word in the log.
            await attempt(url, {"skipServerCertVerification": True})

        async with tls_echo_server(members_only=True) as url:
            # A server may want to know who we are.
            client_cert = {
                "certPath": str(files / "client.pem"),
                "keyPath": str(files / "client.key"),
                "keyPassword": "pw",
            }
            await attempt(url, {"caPath": ca})
            await attempt(url, {"caPath": ca, "clientCert": client_cert})


trio.run(main)

# Output:
# 2302999 TLS: certificate verify failed: unable to get local issuer certificate
# the server says hello
# 2302999 TLS: certificate verify failed: IP address mismatch, certificate is not valid for '127.0.0.1'
# the server says hello
# WARNING: 'skip_server_cert_verification' is set: nobody knows whether localhost is who answers
# the server says hello
# 2302999 server closed the connection before it answered
#   under TLS 1.3 that may mean that it refused our client certificate, or the lack of one
# the server says hello
