"""An echo server behind TLS on this machine, and the certificates that it takes to talk to it."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trustme
from cryptography.hazmat.primitives import serialization
from trio_websocket import ConnectionClosed, wrap_server_stream

CA = trustme.CA()


@contextmanager
def certificate_files() -> Iterator[Path]:
    """Write ca.pem, the authority of all, and client.pem with client.key, whose password is "pw"."""
    client = CA.issue_cert("client@example.org")
    key = serialization.load_pem_private_key(client.private_key_pem.bytes(), None)
    with TemporaryDirectory() as folder:
        files = Path(folder)
        CA.cert_pem.write_to_path(str(files / "ca.pem"))
        client.cert_chain_pems[0].write_to_path(str(files / "client.pem"))
        (files / "client.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"pw"),
            )
        )
        yield files


@asynccontextmanager
async def tls_echo_server(*, members_only: bool = False) -> AsyncIterator[str]:
    """Serve WebSockets over TLS, to clients with a certificate only or to everybody; the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost").configure_cert(context)
    if members_only:
        context.verify_mode = ssl.CERT_REQUIRED
        CA.configure_trust(context)

    async def serve(plain: trio.SocketStream) -> None:
        stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
        async with plain, trio.open_nursery() as nursery:
            try:
                await stream.do_handshake()
                request = await wrap_server_stream(nursery, stream)
                ws = await request.accept()
                while True:
                    await ws.send_message(await ws.get_message())
            except ConnectionClosed:
                nursery.cancel_scope.cancel()
            except trio.BrokenResourceError:
                # One of the two did not like the other's certificate.
                await plain.send_eof()
                async for _ in plain:
                    pass

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"wss://localhost:{listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()
