"""`connect` through pipes."""

import json
import os
import re
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.certificates import PASSWORD, Certificates
from tests.cli.program import (
    COMMAND,
    ENVIRONMENT,
    PATIENCE_S,
    call,
    pipe_through,
    run_program,
    running_program,
)
from tests.keeper import NORMAL, Keeper
from tests.scripted_peer import BINARY, CLOSE, TEXT, Frame, Peer, frame
from tests.served import served

GOING_AWAY = Frame(CLOSE, b"\x03\xe9")
UNTIL_CLOSED = ("--wait", "inf")


async def answer_and_close(peer: Peer) -> None:
    """Answer two messages, the second with bytes, and close."""
    await peer.accept([("Set-Cookie", "sesame")])
    await peer.receive()
    await peer.receive()
    await peer.send(frame(TEXT, b"one\x1b[2J"), frame(BINARY, b"\x00\xff"))
    await peer.close(1000, "bye")


async def greet(peer: Peer) -> None:
    """Say hello, and close."""
    await peer.accept()
    await peer.send(frame(TEXT, b"hello"))
    await peer.close()


async def fail(peer: Peer) -> None:
    """Close with a code that means trouble."""
    await peer.accept()
    await peer.close(4000, "no\x1b[2Jway")


async def drop(peer: Peer) -> None:
    """Accept, and be gone."""
    await peer.accept()


def test_lines_go_to_node_and_come_back(node: str) -> None:
    """Each line of the input is a message, each message a line of the output; status is for stderr."""
    typed = "hello\nwörld\r\n\nclose 1000 bye".encode()
    ended = run_program("connect", node, *UNTIL_CLOSED, "--compress", typed=typed)
    server = node.removesuffix("/feed?from=tests")

    assert (0, "hello\nwörld\n\n") == ended[:2]
    assert f"connected to {server}\nclosed by the server: 1000 bye\n" == ended.trouble


def test_lines_go_to_the_embedded_server_and_come_back(echo: str) -> None:
    """The program asks it for the end by a Close of its own."""
    line = b'{"type": "%s", "data": "%s"}\n'
    with running_program("connect", echo, "--ndjson") as program:
        program.type((line % (b"text", b"a") + line % (b"binary", b"AAEC")).decode())
        answers = [json.loads(program.line()), json.loads(program.line())]
        program.type('{"type": "close", "code": 4001, "reason": "enough"}\n')
        ended = program.end()

    assert [{"type": "text", "data": "a"}, {"type": "binary", "data": "AAEC"}] == answers
    assert (0, "") == ended[:2]
    assert ended.trouble.endswith("closed by us: 4001 enough\n")


def test_the_end_of_input_closes_politely() -> None:
    """What was read is sent, a last line without an end too; then comes Close 1000."""
    keeper = Keeper()
    with served(keeper) as url:
        ended = pipe_through("connect", url, "--wait", "0", typed=b"a\nb")

    assert 0 == ended.status
    assert [Frame(TEXT, b"a"), Frame(TEXT, b"b"), NORMAL] == keeper.frames


def test_what_a_pipe_gets_is_not_changed() -> None:
    """Text and bytes come out as they came in: what reads a pipe is no terminal."""
    with served(answer_and_close) as url:
        ended = pipe_through("connect", url, *UNTIL_CLOSED, typed=b"1\n2\n")

    assert (0, "one\x1b[2J\n\x00\udcff") == ended[:2]


def test_messages_go_into_a_file(tmp_path: Path) -> None:
    """``-o`` takes what standard output would get; ``--events`` tells all else, and no cookie."""
    with served(answer_and_close) as url:
        options = ["-o", str(tmp_path / "messages"), "--ndjson", "--events", "--timing", *UNTIL_CLOSED]
        typed = b'{"type":"text","data":""}\n' * 2
        ended = pipe_through("connect", url, *options, typed=typed)
    first, second = map(json.loads, (tmp_path / "messages").read_text(encoding="utf-8").splitlines())
    events = [line.split()[1] for line in ended.trouble.splitlines() if line.startswith("*")]
    headers = [line for line in ended.trouble.splitlines() if "set-cookie" in line]

    assert (0, "") == ended[:2]
    assert ["time", "type", "data"] == list(first)
    assert ("one\x1b[2J", "AP8=") == (first["data"], second["data"])
    assert ["open", "openInfo", *["message", "dataEnd"] * 2, "close"] == events[events.index("open") :]
    assert ["* headerReceive set-cookie: (not shown)"] == headers


def test_time_stamps() -> None:
    """``--timing`` puts seconds before text."""
    with served(greet) as url:
        ended = pipe_through("connect", url, "--timing", *UNTIL_CLOSED)

    assert re.fullmatch(r"\d\.\d{6} hello\n", ended.output)


@pytest.mark.parametrize(
    ("script", "words"),
    [(fail, "closed by the server: 4000 no\\x1b[2Jway"), (drop, "closed by the link: 1006 The link is down")],
)
def test_an_end_that_means_trouble(script: Callable[[Peer], Awaitable[None]], words: str) -> None:
    """Another code than 1000, 1001 and 1005, or a broken link, is status 1; the reason is escaped."""
    with served(script) as url:
        ended = pipe_through("connect", url, *UNTIL_CLOSED)

    assert (1, "") == ended[:2]
    assert words in ended.trouble


@pytest.mark.parametrize(
    ("options", "typed", "words"),
    [
        ([], b"fine\n\xff\n", "line 2 of the input: not UTF-8"),
        (["--ndjson"], b'{"type":"text","data":""}\nhello\n', "line 2 of the input: no JSON"),
        (["--ndjson"], b"[]", "line 1 of the input: no JSON object"),
        (["--ndjson"], b'{"type":"text"}', 'line 1 of the input: "data" must be a string'),
        (["--ndjson"], b'{"type":"ping","data":""}', 'line 1 of the input: "type" must be'),
        (["--ndjson"], b'{"type":"close","code":1006}\n', "line 1 of the input: [401]"),
        (["--ndjson"], b'{"type":"binary","data":"?"}\n', 'line 1 of the input: "data" of a binary'),
    ],
)
def test_input_that_is_none(options: list[str], typed: bytes, words: str) -> None:
    """A line that cannot be sent is named, the server gets Close 1001, and the status is 2."""
    keeper = Keeper()
    with served(keeper) as url:
        ended = pipe_through("connect", url, *options, typed=typed)

    assert 2 == ended.status
    assert f"trio-ohws connect: {words}" in ended.trouble
    assert GOING_AWAY == keeper.frames[-1]


def test_nobody_listens(closed_port: int) -> None:
    """A refused connection is status 1, and one sentence."""
    ended = run_program("connect", f"ws://127.0.0.1:{closed_port}/")

    assert (1, "") == ended[:2]
    assert 1 == ended.trouble.count("\n")
    assert f"connection refused by 127.0.0.1 port {closed_port}" in ended.trouble


def test_ctrl_c_closes_politely() -> None:
    """A signal ends it with Close 1001 and the shell's own status."""
    keeper = Keeper(then=frame(TEXT, b"hello"))
    with served(keeper) as url, running_program("connect", url) as program:
        assert "hello\n" == program.line()
        ended = program.interrupt()

    assert 130 == ended.status
    assert ended.trouble.endswith("interrupted\n")
    assert [GOING_AWAY] == keeper.frames


def test_nobody_reads_the_output(echo: str) -> None:
    """A reader that has enough, as head(1), ends it with status 1, and no traceback."""
    with running_program("connect", echo) as program:
        program.type("one\n")
        assert "one\n" == program.line()
        program.leave_output()
        program.type("two\n")
        ended = program.end()

    assert 1 == ended.status
    assert 1 == ended.trouble.count("\n")


def test_a_full_disk() -> None:
    """It is one sentence, and status 1; the server gets Close 1001."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    keeper = Keeper(then=frame(TEXT, b"hello"))
    with served(keeper) as url:
        ended = pipe_through("connect", url, "-o", "/dev/full", *UNTIL_CLOSED)

    assert 1 == ended.status
    assert ended.trouble.endswith("trio-ohws connect: No space left on device\n")
    assert GOING_AWAY == keeper.frames[-1]


def test_streams_that_do_not_block() -> None:
    """Somebody who shares them may have made them so; nothing is lost."""
    (source, typed), (shown, target) = os.pipe(), os.pipe()
    for fd in (source, target):
        os.set_blocking(fd, False)
    big = b"x" * 200_000

    async def push(peer: Peer) -> None:
        await peer.accept()
        assert (await peer.receive()) == Frame(TEXT, b"go")
        await peer.send(frame(TEXT, big))
        await peer.close()

    with (
        served(push) as url,
        subprocess.Popen(
            [*COMMAND, "connect", url, *UNTIL_CLOSED],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        ) as process,
    ):
        os.close(source)
        os.close(target)
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"connected to")
        os.write(typed, b"go\n")
        with open(shown, "rb") as output:  # noqa: PTH123  # a descriptor
            assert big + b"\n" == output.read()
        os.close(typed)

        assert 0 == process.wait(PATIENCE_S)


def test_closed_streams(echo: str) -> None:
    """Without a standard input there is nothing to read, and what is opened in its place is not read."""
    for closed in ("<&-", ">&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, "connect", echo],
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            timeout=PATIENCE_S,
            check=False,
        )

        assert 2 == done.returncode
        assert b"standard input or output is closed" in done.stderr


def test_tls(secure_echo: str, certificates: Certificates) -> None:
    """An authority, a client certificate with an encrypted key, and its password from a file."""
    secret = Path(certificates.path("password"))
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    shown = ["--cert", certificates.path("client.pem"), "--key", certificates.path("client-encrypted.key")]
    options = ["--ca", certificates.ca, *shown, "--key-password-file", str(secret)]
    with running_program("connect", secure_echo, *options) as program:
        program.type("hello\n")
        assert "hello\n" == program.line()
        ended = program.interrupt()

    assert 130 == ended.status
    assert PASSWORD not in ended.trouble


def test_a_certificate_that_nobody_knows(secure_echo: str) -> None:
    """It is refused, unless ``--insecure`` takes it, which is warned of."""
    refused = pipe_through("connect", secure_echo, typed=b"")
    taken = run_program("connect", secure_echo, "--insecure", "--wait", "0", typed=b"")

    assert (1, 0) == (refused.status, taken.status)
    assert "certificate verify failed" in refused.trouble
    assert "nobody knows whether localhost is who answers" in taken.trouble


SECRET = "sesame"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-H", f"Authorization: Bearer {SECRET}"], 1),
        (["-H", "Authorization:", "Bearer", SECRET], 2),
        (["-H", f"Authorization {SECRET}"], 2),
        (["-H", f"X: {SECRET}\r\nY"], 2),
        (["--proxy", f"http://u:{SECRET}@127.0.0.1:1"], 1),
        (["--proxy", f"u:{SECRET}@127.0.0.1"], 2),
        (["--password", SECRET], 2),
        ([f"--password={SECRET}"], 2),
        (["--key-password-file", SECRET], 2),
        (["--cert", os.devnull, "--key-password-file", __file__ + "?"], 2),
        (["--subprotocol", f"chat,{SECRET}"], 1),
    ],
)
def test_secrets_are_not_repeated(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No header's value, password or stray word is in what is told."""
    result = call("connect", f"ws://127.0.0.1:1/{SECRET}", *arguments)
    output, trouble = capsys.readouterr()

    assert status == result
    assert "" == output
    assert trouble
    assert SECRET not in trouble
