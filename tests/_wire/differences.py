"""Where an oracle and we differ, row by row: which oracle, which rule, and what it does instead.

Everything else has to be the same: messages, control frames, how it ended, the code, and the peer's reason.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests._wire.compressor import Compressor
from tests._wire.oracles import Agreement, End, Event
from tests.scripted_peer import BINARY, CLOSE, PING, PONG, TEXT, close_frame, frame
from trio_ohws._wire.decoder import Control
from trio_ohws._wire.frames import RSV1

__all__ = ["DIFFERENCES", "Account", "Difference", "agree", "difference"]


class Account(NamedTuple):
    """What one codec told of the bytes."""

    told: list[Event]
    end: End | None


Covers = Callable[[Account, Account], bool]
"""Whether a row explains the difference between our account and an oracle's."""


def agree(ours: Account, theirs: Account) -> bool:
    """Tell whether two accounts are the same, but for the words of a refusal."""
    if ours.end is None or theirs.end is None or ours.end.how == "closed":
        return ours == theirs
    return ours.told == theirs.told and ours.end[:2] == theirs.end[:2]


def _refused(account: Account, words: tuple[str, ...]) -> bool:
    end = account.end
    return end is not None and end.how == "refused" and end.words.startswith(words)


def permits(*words: str) -> Covers:
    """It does not know the rule, and goes on."""

    def covers(ours: Account, theirs: Account) -> bool:
        return _refused(ours, words) and theirs.told[: len(ours.told)] == ours.told

    return covers


def waits(*words: str) -> Covers:
    """It knows the rule, but needs more bytes to see the breach; no message is told until then."""

    def covers(ours: Account, theirs: Account) -> bool:
        later = theirs.told[len(ours.told) :]
        return permits(*words)(ours, theirs) and all(isinstance(event, Control) for event in later)

    return covers


def answers(code: int, *words: str) -> Covers:
    """It refuses the same thing with another code."""

    def covers(ours: Account, theirs: Account) -> bool:
        there = theirs.end is not None and theirs.end[:2] == ("refused", code)
        return there and _refused(ours, words) and ours.told == theirs.told

    return covers


def refuses_close(code: int, words: str) -> Covers:
    """It refuses a Close frame that we take."""

    def covers(ours: Account, theirs: Account) -> bool:
        closed = ours.end is not None and ours.end.how == "closed" and ours.told == theirs.told
        return closed and _refused(theirs, (words,)) and theirs.end is not None and theirs.end.code == code

    return covers


def counts_control_frames(ours: Account, theirs: Account) -> bool:
    """It refuses as too big what is a control frame to us, valid or not."""
    if theirs.end is None or theirs.end[:2] != ("refused", 1009):
        return False
    place = len(theirs.told)
    there = ours.told[place : place + 1]
    is_close = ours.end is not None and (ours.end.how == "closed" or ours.end.words.startswith("Close frame"))
    return ours.told[:place] == theirs.told and (
        isinstance(there[0], Control) if there else is_close or _refused(ours, ("control frame over",))
    )


class Difference(NamedTuple):
    """A row of the table.

    Args:
        oracle: who differs.
        rule: what the RFC says, and what the oracle does.
        covers: whether that explains two accounts.
        example: bytes of a server that show it, in a conversation without compression and with a limit of
            1000 bytes, unless others are named.
    """

    oracle: str
    rule: str
    covers: Covers
    example: bytes
    agreement: Agreement | None = None
    limit: int = 1000


BY_ITS_HEADER = tuple(f"message over {digit}" for digit in "123456789")
OUT_OF_ORDER = ("new message inside", "continuation of no message")

START = frame(TEXT, "a", fin=False)
GARBAGE = frame(BINARY | RSV1, b"\xff" * 10)

DIFFERENCES = [
    Difference(
        "websockets",
        "RFC 6455 5.2: 'the minimal number of bytes MUST be used to encode the length'. It takes any form.",
        permits("length not in its shortest form", "control frame over 125 bytes"),
        b"\x81\x7e\x00\x05Hello",
    ),
    Difference(
        "websockets",
        "5.2, 5.4, 5.5: it reads a frame to its end, and looks at its size, before it judges these.",
        lambda ours, theirs: (
            ours.told == theirs.told
            and _refused(
                ours, ("reserved bits", "fragmented control", "control frame", "new message", "continuation")
            )
            and (theirs.end is None or theirs.end[:2] == ("refused", 1009))
        ),
        b"\xa2\x05Hell",
    ),
    Difference(
        "websockets",
        "8.1: it leaves UTF-8 to its connections, which look at whole messages. We fail with the byte.",
        waits("text that is not UTF-8"),
        frame(TEXT, b"\xff", fin=False) + frame(PING),
    ),
    Difference(
        "websockets",
        "5.5.1, 7.4: of a Close frame's faults it names that of the reason, 1007; we that of the code, 1002.",
        answers(1007, "Close frame with the code"),
        frame(CLOSE, b"\x03\xed\xff"),
    ),
    Difference(
        "websockets",
        "5.4: control frames 'MAY be injected in the middle of a fragmented message'. It refuses Close.",
        refuses_close(1002, "ProtocolError: incomplete fragmented message"),
        START + close_frame(1001, "bye"),
    ),
    Difference(
        "websockets",
        "10.4: the limit is a message's. It measures control frames by what the limit leaves.",
        counts_control_frames,
        frame(BINARY, bytes(999), fin=False) + frame(PING, b"ab"),
    ),
    Difference(
        "websockets",
        "10.4: with compression its user counts, when the bytes are there. We refuse a header.",
        waits(*BY_ITS_HEADER),
        frame(BINARY, bytes(1001))[:10],
        Agreement(),
    ),
    Difference(
        "websockets",
        "RFC 7692 names no code for data that cannot be inflated. It says 1002.",
        answers(
            1002,
            "compressed data that cannot be inflated",
            "text that is not UTF-8",
            "message over the limit when",
        ),
        GARBAGE,
        Agreement(),
    ),
    Difference(
        "websockets",
        "It inflates whole frames. We inflate what is there.",
        waits("compressed data", "message over the limit when inflated"),
        GARBAGE[:-1],
        Agreement(),
    ),
    Difference(
        "wsproto",
        "5.1, 5.2: it judges a header when all of that is there. We need two bytes.",
        lambda ours, theirs: (
            ours.told == theirs.told and _refused(ours, ("reserved bits", "masked")) and theirs.end is None
        ),
        b"\xa2\x7e\x00",
    ),
    Difference(
        "wsproto",
        "5.4: it looks for the order of frames where their payload begins, and inflates that before.",
        lambda ours, theirs: (
            ours.told == theirs.told
            and _refused(ours, OUT_OF_ORDER)
            and (theirs.end is None or theirs.end[:2] == ("refused", 1007))
        ),
        START + b"\x82\x05",
    ),
    Difference(
        "wsproto",
        "10.4: it has no limit, so its user counts, when the bytes are there. We refuse a header.",
        waits(*BY_ITS_HEADER),
        frame(BINARY, bytes(1001))[:10],
    ),
    Difference(
        "wsproto",
        "8.1: Python's decoder waits for a third byte behind half of a surrogate. We do not.",
        waits("text that is not UTF-8"),
        frame(TEXT, b"\xed\xa0", fin=False) + frame(PONG),
    ),
    Difference(
        "wsproto",
        "7.4.2 and IANA's registry: 1014 is Bad Gateway since 2018. It knows no such code.",
        refuses_close(1002, "CLOSE with unknown reserved code"),
        close_frame(1014),
    ),
    Difference(
        "wsproto",
        "Of a compressed message with several faults it names another: it has no limit, see above.",
        answers(1007, "message over the limit when inflated"),
        frame(BINARY | RSV1, Compressor()(bytes(1200)) + b"\xff" * 9),
        Agreement(),
    ),
]


def difference(oracle: str, ours: Account, theirs: Account) -> Difference | None:
    """Return the first row that explains why an oracle's account is not ours."""
    rows = (row for row in DIFFERENCES if row.oracle == oracle and row.covers(ours, theirs))
    return next(rows, None)
