"""Settings: what is taken, and the words for what is not."""

import dataclasses
import math
import re
import ssl
from typing import Any

import pytest

from trio_ohws import ConnectionInfo, Instrument, create_websocket
from trio_ohws.policy import Policy
from trio_ohws.settings import Settings

SIZES = ["max_message_size", "send_buffer", "fragment_size"]
SECONDS = ["connect_timeout", "close_timeout", "goodbye_timeout", "ping_interval", "ping_timeout"]


class AsyncInstrument(Instrument):
    """One that would have to be awaited."""

    async def parked(self, connection: ConnectionInfo) -> None:  # type: ignore[override]  # what is wrong with it
        """Never run."""


INSTRUMENT = Instrument()

TAKEN: list[tuple[str, object]] = [
    ("policy", None),
    ("policy", Policy()),
    ("ssl_context", None),
    ("ssl_context", ssl.create_default_context()),
    ("max_message_size", 1),
    ("max_message_size", 1 << 40),
    ("fragment_size", None),
    ("fragment_size", 4),
    ("receive_buffer", None),
    ("receive_buffer", (1, 1)),
    ("send_buffer", 1),
    *((name, seconds) for name in SECONDS for seconds in (0.001, 5, math.inf)),
    *((name, 0) for name in SECONDS if not name.startswith("ping")),
    ("ping_interval", None),
    ("ping_timeout", None),
    ("compression", None),
    ("compression", "deflate"),
    ("instruments", ()),
    ("instruments", (INSTRUMENT, INSTRUMENT)),
]

# Setting, value, the whole sentence
WRONG_TYPE: list[tuple[str, object, str]] = [
    *((name, 1.0, f"{name} must be an int, not float") for name in SIZES),
    *((name, True, f"{name} must be an int, not bool") for name in SIZES),
    *((name, "1", f"{name} must be an int, not str") for name in SIZES),
    ("policy", {}, "policy must be a Policy, or None, not dict"),
    ("ssl_context", True, "ssl_context must be an ssl.SSLContext, or None, not bool"),
    ("max_message_size", None, "max_message_size must be an int, not NoneType"),
    ("send_buffer", None, "send_buffer must be an int, not NoneType"),
    ("receive_buffer", 256, "receive_buffer must be a pair (messages, bytes), or None"),
    ("receive_buffer", [1, 1], "receive_buffer must be a pair (messages, bytes), or None"),
    ("receive_buffer", (1,), "receive_buffer must be a pair (messages, bytes), or None"),
    ("receive_buffer", (1, 2, 3), "receive_buffer must be a pair (messages, bytes), or None"),
    ("receive_buffer", (1, 2.0), "receive_buffer must be an int, not float"),
    ("receive_buffer", (None, 1), "receive_buffer must be an int, not NoneType"),
    *((name, "5", f"{name} must be a number of seconds, not str") for name in SECONDS),
    *((name, True, f"{name} must be a number of seconds, not bool") for name in SECONDS),
    ("connect_timeout", None, "connect_timeout must be a number of seconds, not NoneType"),
    ("close_timeout", None, "close_timeout must be a number of seconds, not NoneType"),
    ("goodbye_timeout", None, "goodbye_timeout must be a number of seconds, not NoneType"),
    ("instruments", None, "instruments must be a tuple, not NoneType"),
    ("instruments", INSTRUMENT, "instruments must be a tuple, not Instrument"),
    ("instruments", (Instrument,), "instruments must be instances of Instrument, not type"),
    (
        "instruments",
        (AsyncInstrument(),),
        "instruments are called, not awaited: AsyncInstrument.parked must not be async",
    ),
]

OUT_OF_RANGE: list[tuple[str, object, str]] = [
    (
        "ssl_context",
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        "ssl_context must be a client's; ssl.create_default_context() makes one",
    ),
    ("max_message_size", 0, "max_message_size must be at least 1, not 0"),
    ("send_buffer", 0, "send_buffer must be at least 1, not 0"),
    ("fragment_size", 3, "fragment_size must be at least 4, not 3"),
    ("receive_buffer", (0, 1), "receive_buffer must be at least 1, not 0"),
    ("receive_buffer", (1, -1), "receive_buffer must be at least 1, not -1"),
    *((name, -0.5, f"{name} must be at least 0 seconds, not -0.5") for name in SECONDS),
    *((name, math.nan, f"{name} must be at least 0 seconds, not nan") for name in SECONDS),
    ("ping_interval", 0, "ping_interval must be above 0 seconds; None turns pings off"),
    ("ping_interval", 0.0, "ping_interval must be above 0 seconds; None turns pings off"),
    ("ping_timeout", 0, "ping_timeout must be above 0 seconds; None waits for ever"),
    ("compression", "gzip", "compression must be \"deflate\" or None, not 'gzip'"),
    ("compression", True, 'compression must be "deflate" or None, not True'),
    ("compression", [], 'compression must be "deflate" or None, not []'),
]


def test_the_defaults_are_those_of_the_design() -> None:
    """Whoever sets nothing gets the documented sizes and times."""
    expected = {
        "policy": None,
        "ssl_context": None,
        "max_message_size": 16 * 1024 * 1024,
        "fragment_size": None,
        "receive_buffer": (256, 4 * 1024 * 1024),
        "send_buffer": 256 * 1024,
        "connect_timeout": 60,
        "close_timeout": 10,
        "goodbye_timeout": 2,
        "ping_interval": 30,
        "ping_timeout": 30,
        "compression": None,
        "instruments": (),
    }

    assert expected == dataclasses.asdict(Settings())


def named(value: object) -> str:
    """A test's name for a value, without the address that a plain object's repr has."""
    return re.sub(" object at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(("name", "value"), TAKEN, ids=named)
def test_what_is_in_range_is_kept(name: str, value: object) -> None:
    """A setting at the edge of its range is taken as it is."""
    settings: dict[str, Any] = {name: value}

    assert value == getattr(Settings(**settings), name)
    create_websocket(**settings)


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG_TYPE, ids=named)
def test_a_wrong_type_is_a_type_error(name: str, value: object, sentence: str) -> None:
    """A setting of another type is refused when the socket is made, and named."""
    settings: dict[str, Any] = {name: value}

    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        create_websocket(**settings)


@pytest.mark.parametrize(("name", "value", "sentence"), OUT_OF_RANGE, ids=named)
def test_a_value_out_of_range_is_a_value_error(name: str, value: object, sentence: str) -> None:
    """A setting out of range is refused when the socket is made, and named with the value."""
    settings: dict[str, Any] = {name: value}

    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        create_websocket(**settings)


def test_an_unknown_setting_is_a_type_error() -> None:
    """A setting that does not exist is refused by name."""
    settings: dict[str, Any] = {"conect_timeout": 5}

    with pytest.raises(TypeError, match="'conect_timeout'"):
        create_websocket(**settings)


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it was."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().send_buffer = 0  # type: ignore[misc]  # what is tested
