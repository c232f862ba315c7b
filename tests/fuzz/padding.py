"""Small inputs for large payloads."""

__all__ = ["PAD", "expand", "letters"]

PAD = b"\xf5\xf5"
"""With the byte behind it, n, it stands for n times 512 letters. No UTF-8 has it."""


def expand(data: bytes) -> bytes:
    """Return the bytes that an input stands for."""
    first, *rest = data.split(PAD)
    return first + b"".join(b"x" * 512 * part[0] + part[1:] for part in rest if part)


def letters(size: int) -> bytes:
    """Return what stands for a multiple of 512 letters."""
    blocks, rest = divmod(size, 512)
    assert not rest
    return b"".join(PAD + bytes([min(255, blocks - start)]) for start in range(0, blocks, 255))
