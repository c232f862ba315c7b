"""What holds in every test of this directory."""

from collections.abc import Iterator

import pytest
import trio

from trio_ohws.nursery.dataplane import DataPlane


@pytest.fixture(autouse=True)
def _nothing_crosses_the_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Watch trio-websocket's reader: in no test does an exception but Cancelled go through it."""
    crossed: list[BaseException] = []
    receive_some = DataPlane.receive_some

    async def watched(self: DataPlane, max_bytes: int | None = None) -> bytes:
        try:
            return await receive_some(self, max_bytes)
        except trio.Cancelled:
            raise
        except BaseException as error:
            crossed.append(error)
            raise

    monkeypatch.setattr(DataPlane, "receive_some", watched)
    yield

    assert [] == crossed
