"""nginx as a process on loopback ports, with a configuration of the test's own."""

import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import Certificates
from tests.peers import missing

LOOPBACK = "127.0.0.1"
CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    limit_req_zone $binary_remote_addr zone=once:32k rate=1r/m;
    {servers}
}}
"""
PROXIED = """
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
"""
"""What nginx's own documentation tells everybody who puts it in front of a WebSocket server."""


@dataclass(frozen=True)
class Site:
    """A port, and what nginx is to do there.

    Args:
        body: the directives of the server block.
        listen: parameters of its `listen` directive, such as "ssl http2".
    """

    body: str
    listen: str = ""


def proxied(port: int, directives: str = "") -> str:
    """Return a block that passes everything on to the WebSocket server on a port."""
    return f"location / {{ proxy_pass http://{LOOPBACK}:{port}; {PROXIED} {directives} }}"


def with_tls(
    body: str,
    certificates: Certificates,
    name: str = "server",
    *,
    mutual: bool = False,
    http2: bool = False,
    version: str = "TLSv1.2 TLSv1.3",
) -> Site:
    """Return a site that shows a certificate, and with `mutual` requires one of the client's."""
    key = f"ssl_certificate {certificates.path(name)}.pem; ssl_certificate_key {certificates.path(name)}.key;"
    client = f"ssl_client_certificate {certificates.ca}; ssl_verify_client on;" if mutual else ""
    return Site(f"{key} {client} ssl_protocols {version}; {body}", "ssl http2" if http2 else "ssl")


@contextmanager
def running(folder: Path, *sites: Site) -> Generator[list[int]]:
    """Run nginx while the block lasts; the ports of the sites.

    It inherits its listening sockets from us, as it does from itself when it is upgraded on the fly. So no
    port can be lost between choosing and listening, and nobody has to wait: the sockets listen already.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        missing("nginx", "install Debian's nginx")
    assert program is not None
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in sites]
        ports = [listener.getsockname()[1] for listener in listeners]
        servers = "\n".join(
            f"server {{ listen {LOOPBACK}:{port} {site.listen}; {site.body} }}"
            for port, site in zip(ports, sites, strict=True)
        )
        configuration = folder / "nginx.conf"
        # Else its workers are nobody's, who may not read the files of the test.
        user = "user root;" if os.geteuid() == 0 else ""
        configuration.write_text(CONFIGURATION.format(user=user, folder=folder, servers=servers))
        descriptors = [listener.fileno() for listener in listeners]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)],
                pass_fds=descriptors,
                env=os.environ | {"NGINX": "".join(f"{descriptor};" for descriptor in descriptors)},
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        for listener in listeners:
            listener.close()
        try:
            yield ports
        finally:
            status = process.poll()
            process.terminate()
            process.wait(5)
            assert status is None, f"nginx ended with {status}: {(folder / 'log').read_text()}"
