"""An authority for one run, and the server's certificate."""

from __future__ import annotations

from pathlib import Path

import trustme


def certificates(folder: Path) -> tuple[Path, Path]:
    """Make the authority's certificate, and the server's chain with its key, as two PEM files."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    files = folder / "authority.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(files[0])
    server.private_key_and_cert_chain_pem.write_to_path(files[1])
    return files
