"""The page "the OHOS API, name by name", in either language, has a row for all that the API document has."""

from dataclasses import fields
from pathlib import Path

import pytest

from trio_ohws import ClientCert, CloseResult, HttpProxy, WebSocketCloseOptions, WebSocketRequestOptions
from trio_ohws.errors import TEXTS
from trio_ohws.events.model import EVENT_NAMES

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ["ohos.md", "ohos.zh.md"]

SIGNATURES = [
    "createWebSocket(): WebSocket",
    "connect(url: string, callback: AsyncCallback<boolean>): void",
    "connect(url: string, options: WebSocketRequestOptions, callback: AsyncCallback<boolean>): void",
    "connect(url: string, options?: WebSocketRequestOptions): Promise<boolean>",
    r"send(data: string \| ArrayBuffer, callback: AsyncCallback<boolean>): void",
    r"send(data: string \| ArrayBuffer): Promise<boolean>",
    "close(callback: AsyncCallback<boolean>): void",
    "close(options: WebSocketCloseOptions, callback: AsyncCallback<boolean>): void",
    "close(options?: WebSocketCloseOptions): Promise<boolean>",
    *(
        signature
        for name, callback in {
            "open": "AsyncCallback<Object>",
            "message": r"AsyncCallback<string \| ArrayBuffer>",
            "close": "AsyncCallback<CloseResult>",
            "error": "ErrorCallback",
            "dataEnd": "Callback<void>",
            "headerReceive": "Callback<ResponseHeaders>",
        }.items()
        for signature in (
            f"on(type: '{name}', callback: {callback}): void",
            f"off(type: '{name}', callback?: {callback}): void",
        )
    ),
    r"{[k: string]: string \| string[] \| undefined}",
]
"""Every signature of the document, as a table has it."""

OURS = {
    *EVENT_NAMES,
    *(
        field.name
        for options in (WebSocketRequestOptions, ClientCert, HttpProxy, WebSocketCloseOptions, CloseResult)
        for field in fields(options)
    ),
}


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("page", PAGES)
def test_every_signature_has_a_row(page: str, signature: str) -> None:
    """A porter finds each function and each overload by what the document calls it."""
    assert f"| `{signature}` |" in (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(OURS))
@pytest.mark.parametrize("page", PAGES)
def test_every_event_and_field_is_there(page: str, name: str) -> None:
    """Events, options and fields of results are named as they are in the code."""
    assert f"`{name}`" in (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("code", TEXTS)
@pytest.mark.parametrize("page", PAGES)
def test_every_code_has_a_row(page: str, code: int) -> None:
    """Each error code has a row of its own."""
    assert f"\n| {code} | " in (DOCS / page).read_text(encoding="utf-8")


def test_the_languages_have_as_many_rows() -> None:
    """A table that grows in one language grows in the other."""
    english, chinese = (
        [
            line.count("|")
            for line in (DOCS / page).read_text(encoding="utf-8").splitlines()
            if line[:1] == "|"
        ]
        for page in PAGES
    )

    assert len(english) == len(chinese)
