"""Ciphertext in, plaintext out, and back: against the server that Python brings, in memory."""

import gc
import ssl
from typing import Any, cast

import pytest
from hypothesis import given, settings, strategies as st

from tests.tls_ends import (
    RECORD,
    VERSIONS,
    MemoryServer,
    client,
    connected,
    each_version,
    numbered,
    shake_hands,
)
from trio_ohws._wire.scratch import READ_SIZE, Scratch
from trio_ohws._wire.tls import ARRIVAL, TlsLayer

SIP = 65536  # bytes that OpenSSL is given at a time


def decrypt(layer: TlsLayer, size: int = READ_SIZE) -> bytes:
    """Decrypt once."""
    buffer = bytearray(size)
    count = layer.decrypt(memoryview(buffer))
    return bytes(buffer[:count])


def receive(layer: TlsLayer, ciphertext: bytes | bytearray) -> bytes:
    """Let it arrive, and decrypt once."""
    layer.feed(memoryview(ciphertext))
    return decrypt(layer)


def tampered(records: bytes) -> bytearray:
    """Return them, with the last one broken."""
    broken = bytearray(records)
    broken[-1] ^= 1
    return broken


# In


@each_version
def test_all_records_that_have_arrived_are_one_call(version: ssl.TLSVersion) -> None:
    """Ten records are decrypted at once, and nothing more is to be told then."""
    layer, server = connected(version)
    sent = numbered(10 * RECORD)

    assert sent == receive(layer, server.say(sent))
    assert not layer.more
    assert b"" == decrypt(layer)
    assert not layer.ended


@each_version
def test_one_arrival_fits_one_call(version: ssl.TLSVersion) -> None:
    """What one read of the network brings fits the larger area, with the rest of a record from before it."""
    layer, server = connected(version)
    sent = numbered(20 * READ_SIZE)
    records = server.say(sent)
    received = b""
    for start in range(0, len(records), ARRIVAL):
        layer.feed(memoryview(records[start : start + ARRIVAL]))
        received += decrypt(layer, len(Scratch().wide))
        assert not layer.more

    assert sent == received


@st.composite
def cuts(draw: st.DrawFn) -> list[int]:
    """Where a stream of ciphertext is cut."""
    return sorted(draw(st.lists(st.integers(0, 6 * RECORD), max_size=12)))


@settings(max_examples=60)
@given(
    version=st.sampled_from(VERSIONS),
    sizes=st.lists(
        st.sampled_from([1, 5, 1000, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD]), min_size=1, max_size=5
    ),
    cuts=cuts(),
    room=st.sampled_from([7, 4000, RECORD, RECORD + 1, READ_SIZE]),
    keeps=st.booleans(),
)
def test_cuts_and_room_do_not_matter(
    version: ssl.TLSVersion, sizes: list[int], cuts: list[int], room: int, keeps: bool
) -> None:
    """Wherever ciphertext is cut, and however little is taken at a time, the plaintext is the same."""
    layer, server = connected(version)
    sent = [numbered(4 * size)[:size] for size in sizes]
    records = b"".join(map(server.say, sent))
    received = b""
    buffer = bytearray(room)
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        arrivals = bytearray(records[start:end])
        layer.feed(memoryview(arrivals))
        if keeps:
            layer.keep()
            arrivals[:] = bytes(len(arrivals))  # it is somebody else's now
        while True:
            received += buffer[: layer.decrypt(memoryview(buffer))]
            if not layer.more:
                break

    assert b"".join(sent) == received


@each_version
def test_more_than_fits_comes_next(version: ssl.TLSVersion) -> None:
    """Whatever the sizes of the buffers are, all of it comes, in its order, and `more` says so."""
    layer, server = connected(version)
    sent = numbered(20 * RECORD)
    layer.feed(memoryview(server.say(sent)))
    received = b""
    for size in (1, 100, RECORD - 1, RECORD + 1, 3 * RECORD):
        piece = decrypt(layer, size)
        received += piece
        assert size == len(piece)
        assert layer.more
    received += decrypt(layer)

    assert sent == received
    assert not layer.more


def test_what_arrives_while_something_waits_comes_after_it() -> None:
    """Nothing is overtaken, wherever it waits."""
    layer, server = connected()
    sent = numbered(20 * RECORD)
    layer.feed(memoryview(server.say(sent)))
    received = decrypt(layer, 1000)
    layer.feed(memoryview(server.say(b"later")))
    received += decrypt(layer, 2 * READ_SIZE)

    assert sent + b"later" == received


@each_version
def test_half_a_record_waits_for_its_other_half(version: ssl.TLSVersion) -> None:
    """What is whole is not kept waiting by it."""
    layer, server = connected(version)
    sent = numbered(3 * RECORD)
    records = server.say(sent)

    assert sent[: 2 * RECORD] == receive(layer, records[:-100])
    assert not layer.more
    assert b"" == receive(layer, records[-100:-1])
    assert sent[2 * RECORD :] == receive(layer, records[-1:])


@each_version
def test_what_came_with_the_handshake_is_not_lost(version: ssl.TLSVersion) -> None:
    """A fresh layer has something to tell, though nothing has arrived since."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, server = client(incoming, outgoing), MemoryServer(version)
    incoming.write(shake_hands(tls, incoming, outgoing, server))
    incoming.write(server.say(b"at once"))
    layer = TlsLayer(tls, incoming, outgoing)

    assert layer.more
    assert b"at once" == decrypt(layer)
    assert not layer.more


@each_version
def test_a_broken_record_is_told_after_those_before_it(version: ssl.TLSVersion) -> None:
    """It is told as often as somebody asks, and says what it was."""
    layer, server = connected(version)
    sent = numbered(2 * RECORD)
    records = server.say(sent) + tampered(server.say(b"tampered with"))

    assert sent == receive(layer, records)
    assert layer.more
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match=r"(?i)mac"):
            decrypt(layer)
        assert layer.more
        assert not layer.ended


def test_the_first_record_may_be_the_broken_one() -> None:
    """Then it is told at once, and again."""
    layer, server = connected()
    layer.feed(memoryview(tampered(server.say(b"tampered with"))))
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match=r"(?i)mac"):
            decrypt(layer)
        assert layer.more


@pytest.mark.parametrize("polite", [True, False], ids=["close_notify", "EOF"])
@pytest.mark.parametrize("together", [True, False])
@each_version
def test_the_end_comes_after_the_last_record(version: ssl.TLSVersion, together: bool, polite: bool) -> None:
    """With close_notify or without it, which HTTP allows; and it stays the end."""
    layer, server = connected(version)
    sent = numbered(10 * RECORD)
    layer.feed(memoryview(server.say(sent) + (server.bye() if polite else b"")))
    if not together:
        assert sent[:RECORD] == decrypt(layer, RECORD)
        sent = sent[RECORD:]
    if not polite:
        layer.feed_eof()

    assert sent == decrypt(layer)
    assert layer.more
    for _ in range(2):
        assert b"" == decrypt(layer)
        assert layer.ended
        assert layer.more


def test_half_a_record_before_the_end_is_dropped() -> None:
    """Frames say themselves whether they are whole."""
    layer, server = connected()
    records = server.say(numbered(RECORD))

    assert b"" == receive(layer, records[:-1])
    layer.feed_eof()
    assert layer.more
    assert b"" == decrypt(layer)
    assert layer.ended


def test_records_without_data_do_not_hide_those_behind_them() -> None:
    """A server may send any number of session tickets: what comes after them is not kept waiting."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, server = client(incoming, outgoing), MemoryServer(ssl.TLSVersion.TLSv1_3, tickets=300)
    tickets = shake_hands(tls, incoming, outgoing, server)
    layer = TlsLayer(tls, incoming, outgoing)

    assert len(tickets) > SIP
    assert b"hello" == receive(layer, tickets + server.say(b"hello"))
    assert not layer.more


# What is kept


class Noting:
    """A MemoryBIO that notes how full it was."""

    def __init__(self, bio: ssl.MemoryBIO) -> None:
        self._bio = bio
        self.most = 0

    @property
    def pending(self) -> int:
        """See `ssl.MemoryBIO`."""
        return self._bio.pending

    def write(self, data: Any) -> int:
        """See `ssl.MemoryBIO`."""
        count = self._bio.write(data)
        self.most = max(self.most, self._bio.pending)
        return count


@each_version
def test_openssl_gets_a_sip_at_a_time(version: ssl.TLSVersion) -> None:
    """Its memory for what has arrived never shrinks, so that stays small, however much arrives."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, server = client(incoming, outgoing), MemoryServer(version)
    incoming.write(shake_hands(tls, incoming, outgoing, server))
    noting = Noting(incoming)
    layer = TlsLayer(tls, cast(ssl.MemoryBIO, noting), outgoing)
    sent = numbered(5 * READ_SIZE)
    layer.feed(memoryview(server.say(sent)))
    received = b""
    while layer.more:
        received += decrypt(layer)

    assert sent == received
    assert SIP <= noting.most <= SIP + RECORD + 2053


@pytest.mark.parametrize("count", [1, 4, 10])
def test_what_was_read_is_not_kept(count: int) -> None:
    """An idle connection holds nothing of its last read: the memory that it arrived in is free."""
    layer, server = connected()
    sent = numbered(count * RECORD)
    arrivals = bytearray(server.say(sent))

    assert sent == receive(layer, arrivals)
    layer.keep()
    gc.collect()
    arrivals.clear()  # BufferError, if anybody still looked at it


def test_what_is_left_is_moved_elsewhere() -> None:
    """Others may receive into the memory that it arrived in."""
    layer, server = connected()
    sent = numbered(10 * RECORD)
    arrivals = bytearray(server.say(sent))
    layer.feed(memoryview(arrivals))
    received = decrypt(layer, 1000)
    layer.keep()
    arrivals[:] = bytes(len(arrivals))
    arrivals.clear()

    assert sent == received + decrypt(layer)


def test_an_error_that_is_kept_keeps_no_memory() -> None:
    """Once the buffer is given back, its memory is free: a program may look at the error much later."""
    layer, server = connected()
    layer.feed(memoryview(tampered(server.say(b"tampered with"))))
    memory = bytearray(READ_SIZE)
    caught = []
    for _ in range(2):
        with memoryview(memory) as buffer:
            with pytest.raises(ssl.SSLError) as told:
                layer.decrypt(buffer)
        caught.append(told.value)
    memory.clear()  # BufferError, if anybody still looked at it

    assert caught[0] is caught[1]


# Out


@each_version
@pytest.mark.parametrize("size", [1, 1000, 5 * RECORD + 1])
def test_what_is_encrypted_is_owed_until_it_is_taken(version: ssl.TLSVersion, size: int) -> None:
    """The server gets it, in its order, and nothing is owed any more."""
    layer, server = connected(version)
    sent = numbered(size + 3)[:size]
    assert not layer.owes
    layer.encrypt(memoryview(sent))
    layer.encrypt(memoryview(b"next"))

    assert layer.owes
    assert sent + b"next" == server.hear(layer.take())
    assert not layer.owes
    assert b"" == layer.take()


def test_after_the_end_there_is_still_writing() -> None:
    """A server that says goodbye may still listen."""
    layer, server = connected()

    assert b"" == receive(layer, server.bye())
    assert layer.ended
    layer.encrypt(memoryview(b"last"))
    assert b"last" == server.hear(layer.take())


def test_nothing_can_be_written_after_a_broken_record() -> None:
    """OpenSSL has given up then."""
    layer, server = connected()
    layer.feed(memoryview(tampered(server.say(b"tampered with"))))
    with pytest.raises(ssl.SSLError):
        decrypt(layer)
    with pytest.raises(ssl.SSLError):
        layer.encrypt(memoryview(b"more"))
