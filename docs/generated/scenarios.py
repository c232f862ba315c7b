"""What happens when: each scenario is played against a server in memory, and what was told is the row."""

from collections.abc import Awaitable, Callable
from dataclasses import astuple, is_dataclass
from typing import Any, Final, NamedTuple, get_args

import trio
import trio.testing

import trio_ohws
from trio_ohws import BusinessError, WebSocket
from trio_ohws.events.model import EventName
from trio_ohws.testing import MemoryPeer, Violation, open_memory_network

__all__ = ["SCENARIOS", "Scenario", "Told", "play", "scenarios"]

URL: Final = "ws://example.org/"
HEAD: Final = ("headerReceive", "open", "openInfo")
Script = Callable[[MemoryPeer], Awaitable[None]]
Act = Callable[[WebSocket, "Told"], Awaitable[object]]


class Told:
    """What the listeners were told, and what came of the call that a scenario is about."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[Any, ...]]] = []
        self.outcome = ""

    def hear(self, name: str) -> Callable[..., None]:
        """Return a callback that writes down what it is called with."""
        return lambda *arguments: self.events.append((name, arguments))

    async def note(self, what: str, awaitable: Awaitable[object]) -> None:
        """Write down what it returns or raises."""
        try:
            result = await awaitable
        except trio.Cancelled:
            self.outcome = f"{what} is cancelled"
            raise
        except BusinessError as error:
            kind = "" if type(error) is BusinessError else f", `{type(error).__name__}`"
            data = "" if error.data is None else f', data "{error.data}"'
            self.outcome = f"{what} raises {error.code}{kind}{data}"
        else:
            self.outcome = f"{what} returns `{result}`"


class Scenario(NamedTuple):
    """A server, a program, and how its socket is set up."""

    script: Script
    act: Act
    settings: dict[str, Any]
    push: bool = True  # by callbacks, so that `message` events are told; else by iteration


def server(*steps: Callable[[MemoryPeer], Awaitable[object]]) -> Script:
    """Return a server that accepts, does these steps and is polite from then on."""

    async def script(peer: MemoryPeer) -> None:
        await peer.accept()
        for step in steps:
            await step(peer)
        await trio.sleep_forever()

    return script


def answers(status: int, **headers: str) -> Script:
    """Return a server that does not upgrade."""

    async def script(peer: MemoryPeer) -> None:
        await peer.reject(status, headers=list(headers.items()))

    return script


async def refuses(peer: MemoryPeer) -> None:
    """Be no server."""
    peer.refuse()


async def stays_silent(peer: MemoryPeer) -> None:
    """Take the connection, and say nothing."""
    await peer.read_request()
    await trio.sleep_forever()


async def accepts_wrongly(peer: MemoryPeer) -> None:
    """Answer 101 to a key that nobody sent."""
    await peer.accept(headers=[("Sec-WebSocket-Accept", "wrong")])


async def ignores_close(peer: MemoryPeer) -> None:
    """Accept, and answer no Close."""
    await peer.accept()
    peer.answers_close = False
    await trio.sleep_forever()


async def ignores_pings(peer: MemoryPeer) -> None:
    """Accept, and answer no ping."""
    await peer.accept()
    peer.answers_pings = False
    await trio.sleep_forever()


async def drops(peer: MemoryPeer) -> None:
    """Hang up without a word."""
    peer.drop()


# What the program does


async def connect(ws: WebSocket, told: Told) -> None:
    """Connect."""
    await told.note("connect", ws.connect(URL))


async def connect_and_cancel(ws: WebSocket, told: Told) -> None:
    """Give up after a second."""
    with trio.move_on_after(1):
        await told.note("connect", ws.connect(URL))


async def connect_and_close(ws: WebSocket, told: Told) -> None:
    """Close before there is a connection."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.note, "connect", ws.connect(URL))
        await trio.testing.wait_all_tasks_blocked()
        await ws.close()


async def listen(ws: WebSocket, told: Told) -> None:
    """Hear what comes."""
    await ws.connect(URL)
    await trio.sleep(1)


async def iterate(ws: WebSocket, told: Told) -> None:
    """Take what comes, until the end."""
    await ws.connect(URL)
    try:
        async for _ in ws:
            pass
    except BusinessError as error:
        told.outcome = f"iteration raises {error.code}, `{type(error).__name__}`"
    else:
        told.outcome = "iteration ends"


async def close(ws: WebSocket, told: Told) -> None:
    """Close with a code and a reason."""
    await ws.connect(URL)
    await told.note("close", ws.close({"code": 4000, "reason": "enough"}))


async def close_again(ws: WebSocket, told: Told) -> None:
    """Close, and close again."""
    await ws.connect(URL)
    await ws.close()
    await told.note("the second close", ws.close())


async def cancel_close(ws: WebSocket, told: Told) -> None:
    """Give up closing after a second."""
    await ws.connect(URL)
    with trio.move_on_after(1):
        await told.note("close", ws.close({"code": 4000, "reason": "enough"}))


async def leave(ws: WebSocket, told: Told) -> None:
    """Come to the end of the block."""
    await ws.connect(URL)


async def fail(ws: WebSocket, told: Told) -> None:
    """Leave the block by an exception."""
    await ws.connect(URL)
    raise LookupError


async def fail_in_a_callback(ws: WebSocket, told: Told) -> None:
    """Raise where a message is heard."""

    def on_message(err: None, value: object) -> None:
        raise LookupError

    ws.on("message", on_message)
    await ws.connect(URL)
    await trio.sleep(1)


SCENARIOS: Final[dict[str, Scenario]] = {
    "connected": Scenario(server(), connect, {}),
    "the server cannot be reached": Scenario(refuses, connect, {}),
    "no answer within `connect_timeout`": Scenario(stays_silent, connect, {}),
    "answered with 403": Scenario(answers(403), connect, {}),
    "answered with 302": Scenario(answers(302, Location="ws://other.example.org/"), connect, {}),
    "101 with a wrong key": Scenario(accepts_wrongly, connect, {}),
    "cancelled while connecting": Scenario(stays_silent, connect_and_cancel, {}),
    "closed while connecting": Scenario(stays_silent, connect_and_close, {}),
    "a message": Scenario(server(lambda peer: peer.send("hello")), listen, {}),
    "a message, with `fragment_size=4`": Scenario(
        server(lambda peer: peer.send("hello")), listen, {"fragment_size": 4}
    ),
    "the peer closes with 1000": Scenario(server(lambda peer: peer.close(1000, "done")), iterate, {}, False),
    "the peer closes without a code": Scenario(server(lambda peer: peer.close(None)), iterate, {}, False),
    "the peer closes with 1011": Scenario(server(lambda peer: peer.close(1011, "oops")), iterate, {}, False),
    "we close": Scenario(server(), close, {}),
    "we close, and the peer does not answer": Scenario(ignores_close, close, {}),
    "we close again": Scenario(server(), close_again, {}),
    "close is cancelled": Scenario(ignores_close, cancel_close, {}),
    "the block ends": Scenario(server(), leave, {}),
    "the block raises": Scenario(server(), fail, {}),
    "a callback raises": Scenario(server(lambda peer: peer.send("hello")), fail_in_a_callback, {}),
    "the link breaks": Scenario(server(drops), iterate, {}, False),
    "no pong within `ping_timeout`": Scenario(ignores_pings, iterate, {}, False),
    "the peer breaks the protocol": Scenario(
        server(lambda peer: peer.violate(Violation.MASKED_FRAME)), iterate, {}, False
    ),
    "text that is not UTF-8": Scenario(
        server(lambda peer: peer.violate(Violation.BAD_UTF8)), iterate, {}, False
    ),
    "more than `max_message_size`": Scenario(
        server(lambda peer: peer.send("hello")), iterate, {"max_message_size": 4}, False
    ),
}
"""Every scenario, by the words of its row."""


def play(scenario: Scenario) -> Told:
    """Play a scenario, until its point was made, in no time."""
    return trio.run(_play, scenario, clock=trio.testing.MockClock(autojump_threshold=0))


async def _play(scenario: Scenario) -> Told:
    told = Told()
    async with open_memory_network() as network:
        network.serve(scenario.script)
        try:
            async with trio_ohws.create_websocket(**scenario.settings) as ws:
                for name in get_args(EventName):
                    if scenario.push or name != "message":
                        ws.on(name, told.hear(name))
                await scenario.act(ws, told)
                if scenario.act in (connect, listen):  # that the block ends is another row
                    for name in get_args(EventName):
                        ws.off(name)
        except LookupError as error:
            told.outcome = f"`{type(error).__name__}` comes out of `async with`"
    return told


def scenarios() -> str:
    """Return a table of what is told, and of what the call does, in each scenario."""
    rows = ["| what happens | events, in order | the program |", "| --- | --- | --- |"]
    for words, scenario in SCENARIOS.items():
        told = play(scenario)
        events = told.events
        if scenario.act is not connect and tuple(name for name, _ in events[:3]) == HEAD:
            events = events[3:]
        told_words = ", ".join(f"`{name}({_shown(arguments)})`" for name, arguments in events)
        rows.append(f"| {words} | {told_words or 'none'} | {told.outcome} |")
    return "\n".join(rows)


def _shown(arguments: tuple[Any, ...]) -> str:
    if not arguments:
        return ""
    value = arguments[-1]
    match value:
        case BusinessError():
            shown: tuple[object, ...] = (value.code, value.data)
        case trio_ohws.ResponseHeaders():
            return "headers"
        case trio_ohws.CloseResult():
            shown = (value.code, value.reason)
        case _ if is_dataclass(value):
            shown = astuple(value)  # type: ignore[arg-type]
        case _:
            shown = (value,)
    return ", ".join(f'"{one}"' if isinstance(one, str) else repr(one) for one in shown)
