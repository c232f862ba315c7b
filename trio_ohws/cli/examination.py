"""The way to a server, step by step, and what was found at each."""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import trio

from trio_ohws._dial.dial import context_for, dial
from trio_ohws._dial.proxy import choose_proxy
from trio_ohws._dial.tcp import open_tcp, resolve
from trio_ohws.cli.advice import about_connection, about_refusal, about_tls
from trio_ohws.cli.narration import shown_headers
from trio_ohws.cli.shown_certificate import ShownCertificate
from trio_ohws.cli.target import Target
from trio_ohws.errors import UNKNOWN_ERROR, BusinessError, UpgradeRefused, failure
from trio_ohws.nursery.endpoints import TlsInfo, endpoints_of
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import is_address
from trio_ohws.proxy_server import ProxyServer
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket

__all__ = ["Examination", "Finding", "Verdict"]

Verdict = Literal["ok", "warn", "FAIL", ""]

_STEP_S: Final = 10.0
"""Seconds for what should take a round trip or two; less if the whole attempt has less."""
_PINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found.

    Attributes:
        check: what was looked at.
        verdict: "" says something, and judges nothing.
        says: what was found.
        advice: what to do, or None.
        seconds: how long it took, or None.
    """

    check: str
    verdict: Verdict
    says: str
    advice: str | None = None
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON shows, without what there is not."""
        entry: dict[str, Any] = {
            "check": self.check,
            "verdict": self.verdict.lower() or "note",
            "says": self.says,
        }
        if self.advice is not None:
            entry["advice"] = self.advice
        if self.seconds is not None:
            entry["seconds"] = round(self.seconds, 6)
        return entry


class _HopelessError(Exception):
    """What was found makes it pointless to go on."""


class Examination:
    """Goes the way to a server.

    Args:
        target: the server.
        show: is told each finding at once.
    """

    def __init__(self, target: Target, show: Callable[[Finding], None]) -> None:
        self._target = target
        self._url = target.parsed
        self._show = show
        self._findings: list[Finding] = []
        self._patience = min(_STEP_S, target.settings.get("connect_timeout", _STEP_S))

    async def run(self) -> list[Finding]:
        """Go as far as it leads; return all findings."""
        try:
            proxy = await self._choose_proxy()
            host, port = (self._url.host, self._url.port) if proxy is None else (proxy.host, proxy.port)
            await self._try_addresses(await self._look_up(host, port), port)
            stream = await self._open(proxy)
            await self._talk(stream)
        except _HopelessError:
            pass
        return self._findings

    def _note(
        self,
        check: str,
        verdict: Verdict,
        says: str,
        advice: str | None = None,
        *,
        since: float | None = None,
    ) -> None:
        seconds = None if since is None else trio.current_time() - since
        finding = Finding(check, verdict, says, advice, seconds)
        self._findings.append(finding)
        self._show(finding)

    # The way

    async def _choose_proxy(self) -> ProxyServer | None:
        try:
            proxy = await choose_proxy(self._url, self._target.options)
        except BusinessError as error:
            self._note("proxy", "FAIL", _words(error), "correct the setting, or use --proxy or --no-proxy")
            raise _HopelessError from None
        self._note("proxy", "ok", _why(self._target, proxy))
        return proxy

    async def _look_up(self, host: str, port: int) -> list[str]:
        if is_address(host):
            return [host]
        since = trio.current_time()
        try:
            with trio.fail_after(self._patience):
                addresses = await resolve(host, port)
        except (BusinessError, trio.TooSlowError) as error:
            advice = (
                "check how the name is written, and whether this computer has a network and a name server"
            )
            self._note("DNS", "FAIL", _words(error), advice)
            raise _HopelessError from None
        self._note("DNS", "ok", f"{host} is {', '.join(addresses)}", since=since)
        return addresses

    async def _try_addresses(self, addresses: list[str], port: int) -> None:
        outcomes: dict[str, tuple[BusinessError | trio.TooSlowError | None, float]] = {}

        async def attempt(address: str) -> None:
            since = trio.current_time()
            trouble = None
            try:
                with trio.fail_after(self._patience):
                    await trio.aclose_forcefully(await open_tcp(address, port))
            except (BusinessError, trio.TooSlowError) as error:
                trouble = error
            outcomes[address] = trouble, since

        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(attempt, address)
        reached = [address for address, (trouble, _) in outcomes.items() if trouble is None]
        for address in addresses:
            trouble, since = outcomes[address]
            if trouble is None:
                self._note("TCP", "ok", f"{address} port {port} accepts connections", since=since)
            else:
                verdict: Verdict = "warn" if reached else "FAIL"
                self._note("TCP", verdict, _words(trouble), about_connection(_words(trouble), port))
        if not reached:
            raise _HopelessError

    async def _open(self, proxy: ProxyServer | None) -> trio.abc.Stream:
        """Open the stream on which the handshake will be tried."""
        shown = ShownCertificate()
        since = trio.current_time()
        stream, trouble = None, ""
        try:
            with trio.fail_after(self._patience):
                stream = await self._dial(shown)
        except (BusinessError, trio.TooSlowError) as error:
            trouble = _words(error)
        if stream is None:
            await self._explain_stream(proxy, trouble)
            raise _HopelessError
        if proxy is not None:
            self._note(
                "tunnel", "ok", f"the proxy leads to {self._url.host} port {self._url.port}", since=since
            )
        tls = endpoints_of(stream).tls if self._url.secure else None
        if tls is not None:
            self._note("TLS", "ok", _agreed(tls), since=None if proxy else since)
            self._note_certificates(shown, tls.peer_certificate_binary)
        return stream

    async def _dial(self, shown: ShownCertificate) -> trio.abc.Stream:
        options = self._target.options
        if not self._url.secure:
            return await dial(self._url, options)
        context = await context_for(self._url, options, None)
        with shown.kept_by(context):
            return await dial(self._url, options, ssl_context=context)

    async def _explain_stream(self, proxy: ProxyServer | None, words: str) -> None:
        if proxy is not None and not words.startswith("TLS: "):
            advice = "check the proxy's address, its credentials, and whether it allows this server and port"
            self._note("tunnel", "FAIL", words, advice)
            return
        if not self._url.secure:  # a moment ago it was possible
            self._note("TCP", "FAIL", words, about_connection(words, self._url.port))
            return
        names = await self._look_at_certificate()
        self._note("TLS", "FAIL", words.removeprefix("TLS: "), about_tls(words, names))

    async def _look_at_certificate(self) -> tuple[str, ...]:
        """Connect once more without judging, and tell what certificate is shown; return the names in it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        shown = ShownCertificate()
        try:
            with trio.fail_after(self._patience), shown.kept_by(context):
                stream = await dial(self._url, self._target.options, ssl_context=context)
        except (BusinessError, trio.TooSlowError):
            return ()
        tls = endpoints_of(stream).tls
        await trio.aclose_forcefully(stream)
        return () if tls is None else self._note_certificates(shown, tls.peer_certificate_binary)

    def _note_certificates(self, shown: ShownCertificate, leaf: bytes) -> tuple[str, ...]:
        chain = shown.certificates(leaf)
        for place, certificate in enumerate(chain):
            verdict, words, advice = shown.judge(certificate)
            self._note("certificate" if place == 0 else "issuer", verdict, words, advice)
        return chain[0].names if chain else ()

    # The WebSocket

    async def _talk(self, stream: trio.abc.Stream) -> None:
        async def hand_over(_url: WebSocketURL, _options: WebSocketRequestOptions) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            return stream

        settings = self._target.settings | {
            "connect_timeout": self._patience,
            "close_timeout": self._patience,
        }
        async with WebSocket(Settings(**settings), dial=hand_over) as ws:
            since = trio.current_time()
            try:
                await ws.connect(self._target.url, self._target.options)
            except BusinessError as error:
                self._note_refusal(error)
                return
            self._note("handshake", "ok", "101, this is a WebSocket server", since=since)
            self._note_answer(ws)
            await self._measure(ws)
            await self._close(ws)

    def _note_refusal(self, error: BusinessError) -> None:
        headers = error.headers if isinstance(error, UpgradeRefused) else {}
        status = error.status if isinstance(error, UpgradeRefused) else None
        advice = about_refusal(status, headers, secure=self._url.secure)
        self._note("handshake", "FAIL", _words(error), advice)
        for header in shown_headers(headers):
            self._note("header", "", header)

    def _note_answer(self, ws: WebSocket) -> None:
        for header in shown_headers(ws.response_headers):
            self._note("header", "", header)
        offered = self._target.options.protocol
        if ws.subprotocol:
            self._note("subprotocol", "ok", ws.subprotocol)
        elif offered:
            advice = "ask whoever runs the server which ones it has; it may not mind, or close later"
            self._note("subprotocol", "warn", "the server chose none of those that were offered", advice)
        else:
            self._note("subprotocol", "ok", "none, and none was offered")
        agreed = ws.response_headers.get("sec-websocket-extensions")
        if agreed:
            self._note("extensions", "ok", agreed if isinstance(agreed, str) else ", ".join(agreed))
        elif self._target.settings.get("compression"):
            self._note(
                "extensions", "warn", "the server declined permessage-deflate", "do without --compress"
            )
        else:
            self._note("extensions", "ok", "none, and none was offered (--compress offers one)")

    async def _measure(self, ws: WebSocket) -> None:
        try:
            with trio.fail_after(self._patience):  # noqa: ASYNC100  # comprehensions wait, too
                trips = [await ws.ping() for _ in range(_PINGS)]
        except (BusinessError, trio.TooSlowError) as error:
            advice = "without pongs a quiet connection counts as broken: --ping-interval 0 sends no pings"
            self._note("ping", "FAIL", f"no pong: {_words(error)}", advice)
            return
        figures = "/".join(f"{trip * 1e3:.1f}" for trip in (min(trips), sum(trips) / len(trips), max(trips)))
        self._note("ping", "ok", f"{len(trips)} pongs, min/avg/max {figures} ms")

    async def _close(self, ws: WebSocket) -> None:
        since = trio.current_time()
        await ws.aclose()
        result = ws.close_result
        if result is not None and result.clean:
            self._note("close", "ok", f"{result.code}, both said goodbye", since=since)
        else:
            self._note(
                "close", "warn", "the server did not answer our Close", "its library may be old or busy"
            )


def _words(error: BusinessError | trio.TooSlowError) -> str:
    """What happened, without the documented text of the code."""
    if isinstance(error, trio.TooSlowError):
        return "no answer in time"
    return error.message.removeprefix(failure(UNKNOWN_ERROR, "").message).strip()


def _why(target: Target, proxy: ProxyServer | None) -> str:
    """Say which proxy was chosen, and by whom."""
    given = target.options.proxy
    if given == "no-proxy":
        return "none, as --no-proxy says"
    if given not in {None, "system"}:
        return f"{proxy} by --proxy"
    names = ("https_proxy" if target.parsed.secure else "http_proxy", "all_proxy")
    variables = [name for lower in names for name in (lower, lower.upper()) if os.environ.get(name)]
    if proxy is not None:
        return f"{proxy}, from {variables[0] if variables else 'the settings of the system'}"
    if variables:
        return f"none: {variables[0]} names one, but no_proxy excludes this server"
    return "none: the environment and the system name none"


def _agreed(tls: TlsInfo) -> str:
    application = f", ALPN {tls.alpn_protocol}" if tls.alpn_protocol else ""
    return f"{tls.version}, {tls.cipher[0]}{application}"
