"""Header values, passwords and what stands in a URL's path and query are shown nowhere."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from tests.chain import chain
from trio_ohws import BusinessError, create_websocket
from trio_ohws.instruments import LoggingInstrument
from trio_ohws.testing import MemoryNetwork, MemoryPeer

URL = "ws://example.test/chat"
SECRET = "sesame"
SECRETS: dict[str, Any] = {
    "header": {"Authorization": f"Bearer {SECRET}", "Cookie": [f"id={SECRET}", f"other={SECRET}"]},
    "clientCert": {"certPath": __file__, "keyPath": __file__, "keyPassword": SECRET},
    "proxy": {"host": "p", "port": 1, "username": SECRET, "password": SECRET},
    "protocol": f"chat, {SECRET}",
}


async def forbid(peer: MemoryPeer) -> None:
    """A server that refuses."""
    await peer.reject(403, headers=[("Set-Cookie", SECRET)])


async def break_off(peer: MemoryPeer) -> None:
    """A server that accepts, sets a secret cookie, and breaks the protocol."""
    await peer.accept(headers=[("Set-Cookie", SECRET)], then=b"\xff\xff")


async def hang_up(peer: MemoryPeer) -> None:
    """A server that accepts and is gone."""
    await peer.accept(headers=[("Set-Cookie", SECRET)])
    peer.drop()


@pytest.mark.parametrize("script", [MemoryPeer.accept, forbid, break_off, hang_up])
async def test_secrets_are_shown_nowhere(
    script: Callable[[MemoryPeer], Awaitable[object]],
    websocket_network: MemoryNetwork,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Header values, passwords and the URL's query are in no repr, no error, no traceback and no log."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    websocket_network.serve(script)
    async with create_websocket(instruments=(LoggingInstrument(),)) as ws:
        ws.on("headerReceive", lambda headers: shown.append(repr(headers)))
        ws.on("open", lambda err, value: shown.append(repr(value)))
        ws.on("error", lambda err: shown.append(f"{err} {err!r} {err.to_dict()}"))
        ws.on("close", lambda err, value: shown.append(repr(value)))
        for attempt in (
            lambda: ws.connect(f"{URL}?token={SECRET}", SECRETS),
            lambda: ws.receive(),
            lambda: ws.send(f"{SECRET}\ud800"),
            lambda: ws.connect(f"ws://user:{SECRET}@h/"),
            lambda: ws.connect(f"{URL}#{SECRET}"),
            lambda: ws.connect(URL, {"header": {"X": f"{SECRET}\r\n"}}),
            lambda: ws.connect(URL, {"header": {"X": f"{SECRET}\u20ac\ud800"}}),
            lambda: ws.connect(URL, {"header": {f"Authorization: {SECRET}": "x"}}),
            lambda: ws.connect(URL, {"proxy": f"http://u:{SECRET}@p"}),
            lambda: ws.connect(URL, {"proxy": f"http://u:{SECRET}%FF@p"}),
            lambda: ws.connect(
                URL, {"clientCert": {"certPath": "/none", "keyPath": "k", "keyPassword": SECRET}}
            ),
        ):
            shown.append(repr(ws))
            with trio.move_on_after(1):
                try:
                    await attempt()
                except BusinessError as error:
                    shown.extend(traceback.format_exception(error))
                    shown.extend(f"{one!r} {one}" for one in chain(error))
                    shown.append(f"{error.to_dict()}")
        shown.append(f"{ws!r} {ws.statistics()!r} {ws.close_result!r} {ws.response_headers!r}")
    shown.extend(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    shown.extend(f"{peer!r} {peer.request!r}" for peer in websocket_network.peers)

    assert "".join(shown)
    assert [] == [text for text in shown if SECRET in text]
