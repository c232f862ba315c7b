"""A TLS server that tells its client why it gives up, as real ones do."""

import ssl

import trio


async def greet(stream: trio.abc.Stream, context: ssl.SSLContext) -> None:
    """Say "hello", or, unlike Trio's own server, send the alert that says why not; then close.

    Args:
        stream: the server's end of a connection, closed at the end.
        context: a server's.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            tls.do_handshake()
            tls.write(b"hello")
            break
        except ssl.SSLWantReadError:
            await stream.send_all(outgoing.read())
            received = await stream.receive_some()
            if not received:
                break
            incoming.write(received)
        except ssl.SSLError:
            break
    # The client may be gone already.
    try:
        await stream.send_all(outgoing.read())
    except trio.BrokenResourceError:
        pass
    await stream.aclose()
