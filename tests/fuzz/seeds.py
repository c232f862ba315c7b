"""Where the corpus begins: ``python -m tests.fuzz.seeds`` writes it.

What fuzzing found is added here too, by a name that says what it was.
"""

import struct
from collections.abc import Mapping

from tests._wire.compressor import Compressor
from tests.fuzz.frames import AGREEMENTS, AREAS, LIMITS
from tests.fuzz.padding import letters
from tests.fuzz.targets import CORPUS, inputs
from tests.scripted_peer import BINARY, CONT, PING, PONG, TEXT, close_frame, frame
from trio_ohws._wire.frames import RSV1
from trio_ohws._wire.upgrade import accept_key

__all__ = ["SEEDS"]

HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692 section 7.2.3.1
DEFLATE, NO_TAKEOVER, WINDOW_OF_9 = 1, 2, 3


def conversation(
    *frames: bytes, agreement: int = 0, limit: int = 1 << 20, area: int = 300, reads: tuple[int, int] = (3, 0)
) -> bytes:
    """Return an input of the target "frames"."""
    assert agreement < len(AGREEMENTS)
    return bytes([agreement | LIMITS.index(limit) << 2 | AREAS.index(area) << 4, *reads]) + b"".join(frames)


def raw(first: int, second: int, rest: bytes = b"") -> bytes:
    """Return a frame as no server should write it."""
    return bytes((first, second)) + rest


def huge(first: int, size: int, payload: bytes) -> bytes:
    """Return a frame with a length of 64 bits."""
    return struct.pack("!BBQ", first, 127, size) + payload


def compressed(*messages: bytes, bits: int = 15, takeover: bool = True) -> bytes:
    """Return messages as a server compresses them, text all of them."""
    compress = Compressor(bits, takeover=takeover)
    return b"".join(frame(TEXT | RSV1, compress(message)) for message in messages)


BOMB = frame(BINARY | RSV1, Compressor()(bytes(1 << 20)))
START = frame(TEXT, "a", fin=False)

FRAMES = {
    "rfc6455-text": conversation(frame(TEXT, "Hello")),
    "rfc6455-fragmented-text": conversation(frame(TEXT, "Hel", fin=False), frame(CONT, "lo")),
    "rfc6455-ping": conversation(frame(PING, "Hello")),
    "rfc6455-256-bytes": conversation(frame(BINARY, bytes(range(256)))),
    "rfc6455-masked": conversation(bytes.fromhex("818537fa213d7f9f4d5158")),
    "rfc7692-one-block": conversation(frame(TEXT | RSV1, HELLO), agreement=DEFLATE),
    "rfc7692-fragmented": conversation(
        frame(TEXT | RSV1, HELLO[:3], fin=False), frame(CONT, HELLO[3:]), agreement=DEFLATE
    ),
    "rfc7692-window-of-the-message-before": conversation(
        frame(TEXT | RSV1, HELLO), bytes.fromhex("c105f200110000"), agreement=DEFLATE
    ),
    "rfc7692-stored-block": conversation(bytes.fromhex("c10b000500faff48656c6c6f00"), agreement=DEFLATE),
    "rfc7692-final-block": conversation(
        bytes.fromhex("c108f348cdc9c9070000") * 2, agreement=DEFLATE, reads=(1, 5)
    ),
    "close": conversation(close_frame(1001, "bye"), frame(TEXT, "late")),
    "every-kind-of-frame": conversation(
        frame(TEXT, "dé\n\ufeff"),
        frame(PING, b"?"),
        frame(TEXT, b"\xf0\x9f", fin=False),
        frame(PONG),
        frame(CONT, b"", fin=False),
        frame(CONT, b"\x98\x80"),
        frame(BINARY, b"", fin=False),
        frame(CONT),
        frame(TEXT),
        close_frame(),
        area=127,
    ),
    "binary-of-65535-bytes": conversation(
        raw(0x82, 126, b"\xff\xff"), letters(65024), bytes(511), area=40_000, reads=(0, 0)
    ),
    "binary-of-65536-bytes-in-small-reads": conversation(
        huge(0x82, 65536, letters(65536)), frame(TEXT, "then"), area=127, reads=(11, 0)
    ),
    "two-large-frames": conversation(
        huge(0x82, 69632, letters(69632)), huge(0x82, 65536, letters(65536)), limit=70_000, area=40_000
    ),
    "large-frame-cut-short": conversation(huge(0x82, 69632, letters(1024)), limit=70_000, area=127),
    "fragments-of-a-large-message": conversation(
        huge(0x02, 65536, letters(65536)), frame(PING), huge(0x80, 65536, letters(65536)), area=4096
    ),
    "no-window": conversation(
        compressed(b"again and again", b"again and again", takeover=False), agreement=NO_TAKEOVER
    ),
    "window-of-9": conversation(compressed(b"abc" * 300, b"abc" * 300, bits=9), agreement=WINDOW_OF_9),
    "compressed-with-a-ping-inside": conversation(
        frame(BINARY | RSV1, HELLO[:2], fin=False), frame(PING), frame(CONT, HELLO[2:]), agreement=DEFLATE
    ),
    "compressed-and-not": conversation(
        frame(TEXT | RSV1, HELLO), frame(TEXT, "x"), frame(BINARY | RSV1, b"\0"), agreement=DEFLATE
    ),
    "bomb-within-the-limit": conversation(BOMB, agreement=DEFLATE, reads=(50, 100)),
    "bomb-over-the-limit": conversation(BOMB, agreement=DEFLATE, limit=1000, reads=(50, 100)),
    "bomb-in-fragments": conversation(
        frame(TEXT | RSV1, Compressor()(b"x" * 2000)[:9], fin=False),
        frame(CONT, Compressor()(b"x" * 2000)[9:]),
        agreement=DEFLATE,
        limit=1000,
    ),
    "nothing-but-final-blocks": conversation(
        frame(BINARY | RSV1, b"\x03\x00" * 500 + b"\x00"), agreement=DEFLATE, reads=(0, 0)
    ),
    "found-message-that-ends-with-its-final-block": conversation(
        bytes.fromhex("c107f348cdc9c90700") * 2, frame(TEXT | RSV1, HELLO), agreement=DEFLATE, reads=(1, 5)
    ),
    "found-compressed-text-with-two-faults": conversation(
        frame(TEXT | RSV1, Compressor()(b"a\xff" * 500)), agreement=DEFLATE, limit=100, reads=(0, 0)
    ),
    "no-deflate-data": conversation(frame(BINARY | RSV1, b"\xff" * 10), agreement=DEFLATE),
    "compressed-latin-1": conversation(
        frame(TEXT | RSV1, Compressor()("Grüße".encode("latin-1"))), agreement=DEFLATE
    ),
    "compressed-without-agreement": conversation(frame(TEXT | RSV1, HELLO)),
    "compressed-continuation": conversation(START, frame(CONT | RSV1, HELLO), agreement=DEFLATE),
    "exactly-the-limit": conversation(frame(TEXT, "x" * 100), frame(BINARY, b"y" * 100), limit=100),
    "over-the-limit": conversation(frame(TEXT, "x" * 101), limit=100),
    "over-the-limit-in-fragments": conversation(
        frame(BINARY, b"x" * 60, fin=False), frame(CONT, b"x" * 41), frame(CONT), limit=100
    ),
    "length-of-63-bits": conversation(huge(0x82, (1 << 63) - 1, b"x")),
    "length-not-shortest-16": conversation(raw(0x81, 126, b"\0\5Hello")),
    "length-not-shortest-64": conversation(huge(0x81, 65535, letters(1024))),
    "reserved-opcode": conversation(raw(0x83, 0)),
    "reserved-control-opcode": conversation(raw(0x8B, 0)),
    "fragmented-ping": conversation(raw(0x09, 0)),
    "ping-of-126-bytes": conversation(raw(0x89, 126, b"\0\x7e" + bytes(126))),
    "text-inside-text": conversation(START, frame(TEXT, "b")),
    "continuation-of-nothing": conversation(frame(CONT, "b")),
    "not-utf8": conversation(frame(TEXT, b"caf\xe9")),
    "utf8-surrogate-in-fragments": conversation(frame(TEXT, b"\xed", fin=False), frame(CONT, b"\xa0\x80")),
    "utf8-ends-early": conversation(frame(TEXT, b"\xf0\x9f", fin=False), frame(CONT)),
}


def answer(
    *lines: bytes, status: bytes = b"101 Switching Protocols", setup: int = 0, rest: bytes = b""
) -> bytes:
    """Return an input of the target "answer": what an upgrade needs, then `lines`."""
    accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").encode()
    needed = [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept]
    return bytes([setup | 7 << 2]) + b"\r\n".join([b"HTTP/1.1 " + status, *needed, *lines, b"", b""]) + rest


OFFERS_DEFLATE, OFFERS_SUBPROTOCOLS = 1, 2
EXTENSIONS = b"Sec-WebSocket-Extensions: "

ANSWERS = {
    "rfc6455": answer(b"Sec-WebSocket-Protocol: chat", setup=OFFERS_SUBPROTOCOLS),
    "bare": answer(),
    "frames-behind-it": answer(rest=frame(TEXT, "at once")),
    "interim": b"\x04HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + answer()[1:],
    "interim-without-end": b"\x04" + b"HTTP/1.1 100 \r\n\r\n" * 50,
    "deflate": answer(EXTENSIONS + b"permessage-deflate", setup=OFFERS_DEFLATE),
    "deflate-with-everything": answer(
        EXTENSIONS + b'permessage-deflate; server_no_context_takeover; server_max_window_bits="9";'
        b" client_no_context_takeover; client_max_window_bits=15",
        setup=OFFERS_DEFLATE,
    ),
    "deflate-twice": answer(EXTENSIONS + b"permessage-deflate, permessage-deflate", setup=OFFERS_DEFLATE),
    "deflate-parameter-twice": answer(
        EXTENSIONS + b"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        setup=OFFERS_DEFLATE,
    ),
    "deflate-unknown-parameter": answer(
        EXTENSIONS + b"permessage-deflate; s\xe9rver=1", setup=OFFERS_DEFLATE
    ),
    "extension-without-offer": answer(EXTENSIONS + b"x-webkit-deflate-frame"),
    "subprotocol-twice": answer(*[b"Sec-WebSocket-Protocol: chat"] * 2, setup=OFFERS_SUBPROTOCOLS),
    "upgrade-to-two": answer(b"Upgrade: h2c"),
    "bad-key": answer().replace(b"Accept: ", b"Accept: x"),
    "http-1.0": answer().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "status-200": answer(status=b"200 OK"),
    "status-302-with-escapes": answer(b"Location: /", status=b"302 \xff\t\x80ound"),
    "status-099": answer(status=b"099 x"),
    "header-of-every-byte": answer(b"x: " + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))),
    "header-folded": answer(b"x: a\r\n b"),
    "over-the-limit": answer(b"x: " + letters(65_536)),
    "large": answer(b"x: " + letters(65_024), rest=letters(512)),
    "line-feeds-alone": answer().replace(b"\r\n", b"\n"),
    "another-protocol": b"\x04SSH-2.0-OpenSSH_9.2p1\r\n",
}

HTTP, HTTP_PASSWORD, SOCKS4, SOCKS4A, SOCKS5, SOCKS5H, SOCKS5_PASSWORD, SOCKS5H_PASSWORD = range(8)


def told(proxy: int, data: bytes, size: int = 3) -> bytes:
    """Return an input of the target "proxy"."""
    return bytes([proxy | size << 3]) + data


PROXIES = {
    "http-200": told(HTTP, b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"),
    "http-200-and-the-server": told(HTTP, b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "http-299-of-1.0": told(HTTP, b"HTTP/1.0 299\r\n\r\n"),
    "http-100": told(HTTP, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    "http-403": told(HTTP, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
    "http-407": told(HTTP, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
    "http-401-with-password": told(HTTP_PASSWORD, b"HTTP/1.1 401 s3cr3t\r\n\r\n"),
    "http-599": told(HTTP, b"HTTP/1.1 599 \x1b[31m\r\n\r\n"),
    "http-cut-short": told(HTTP, b"HTTP/1.1 200 OK\r\nVia"),
    "http-over-the-limit": told(HTTP, b"HTTP/1.1 200 OK\r\nx: " + letters(65_536) + b"\r\n\r\n", size=31),
    "http-large": told(HTTP, b"HTTP/1.1 200 OK\r\nx: " + letters(65_024) + b"\r\n\r\nserver", size=31),
    "http-line-feeds-alone": told(HTTP, b"HTTP/1.1 200 OK\n\n\r\n\r\n"),
    "http-another-protocol": told(HTTP, b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
    "socks4-granted": told(SOCKS4, b"\0\x5a" + bytes(6) + b"server"),
    "socks4-rejected": told(SOCKS4, b"\0\x5b" + bytes(6)),
    "socks4a-identd": told(SOCKS4A, b"\0\x5c" + bytes(6)),
    "socks4-another-version": told(SOCKS4, b"\4\x5a" + bytes(6)),
    "socks5-granted": told(SOCKS5, b"\5\0\5\0\0\1\0\0\0\0\0\0server"),
    "socks5-granted-by-name": told(SOCKS5H, b"\5\0\5\0\0\3\4name\0\0server"),
    "socks5-granted-by-ipv6": told(SOCKS5H, b"\5\0\5\0\0\4" + bytes(18)),
    "found-socks5-name-not-utf8": told(SOCKS5H, b"\5\0\5\0\0\3\4n\xe4me\0\0server"),
    "socks5-granted-by-nonsense": told(SOCKS5, b"\5\0\5\0\0\x09" + bytes(18)),
    "socks5-refused": told(SOCKS5, b"\5\0\5\5\0\1" + bytes(6)),
    "socks5-refused-by-nonsense": told(SOCKS5, b"\5\0\5\x63\0\1" + bytes(6)),
    "socks5-no-method": told(SOCKS5, b"\5\xff"),
    "socks5-method-not-offered": told(SOCKS5, b"\5\1"),
    "socks5-password-taken": told(SOCKS5_PASSWORD, b"\5\2\1\0\5\0\0\1\0\0\0\0\0\0server"),
    "socks5-password-refused": told(SOCKS5H_PASSWORD, b"\5\2\1\1"),
    "silence": told(SOCKS5, b""),
}

ADDRESSES = {
    "plain": b"ws://server.example",
    "everything": b"wss://Server.Example.:8443/a/b;c=1/../d?q=%7E&r=[1]",
    "ipv4": b"ws://127.0.0.1:80/",
    "ipv4-in-disguise": b"ws://0x7f.1/",
    "ipv6": b"wss://[2001:DB8::1]:443?q",
    "ipv6-with-zone": b"ws://[fe80::1%25eth0]/",
    "ipv6-without-end": b"ws://[::1",
    "idn-sharp-s": "ws://faß.de/\N{SOFT HYPHEN}".encode(),
    "punycode-broken": b"ws://xn--a.example",
    "user": b"ws://user:s3cr3t@server.example/",
    "user-with-slash": b"ws://user:s3cr3t/@server.example/",
    "secret-with-bad-percent": b"ws://server.example/?token=s3cr3t%2",
    "fragment": b"ws://server.example/#s3cr3t",
    "port-too-large": b"ws://server.example:65536",
    "port-of-letters": "ws://server.example:８０".encode(),
    "http": b"https://server.example",
    "tab-in-the-host": b"ws://server.exam\tple/",
    "line-break": b"ws://server.example/\r\nHost: x",
    "backslash": b"ws://server.example\\@other.example",
    "lone-surrogate": b"ws://server.example/\xed\xa0\x80",
    "label-of-64": b"ws://" + b"a" * 64 + b".example",
    "over-1024": b"ws://server.example/" + b"a" * 1010,
}

GOODBYES = {
    "empty": b"",
    "one-byte": b"\x03",
    "1000": b"\x03\xe8",
    "1014": b"\x03\xf6bad gateway",
    "1015": b"\x03\xf7",
    "4999": b"\x13\x87" + "für heute".encode(),
    "reason-not-utf8": b"\x03\xe8\xff",
    "reason-cut-within-a-character": ("😀" * 40).encode(),
}

SEEDS: Mapping[str, Mapping[str, bytes]] = {
    "frames": FRAMES,
    "answer": ANSWERS,
    "proxy": PROXIES,
    "address": ADDRESSES,
    "goodbye": GOODBYES,
}

if __name__ == "__main__":
    for target, seeds in SEEDS.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for path in inputs(target):
            path.unlink()
        for name, data in seeds.items():
            (CORPUS / target / name).write_bytes(data)
