"""Foreign proxies as processes on loopback ports, each with a configuration of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.peers import missing

LOOPBACK = "127.0.0.1"
USERNAME = "user"
PASSWORD = "pw"
PASSWORD_FILE = f"{USERNAME}:$apr1$Rj9hex/o$.KfdNjVqKQGstgSdRAWOr0\n"  # openssl passwd -apr1
NCSA_AUTH = Path("/usr/lib/squid/basic_ncsa_auth")
READY_S = 15
"""How long a process may take until it accepts connections, in seconds."""


@dataclass(frozen=True)
class Programme:
    """A proxy that is to be started: how to write its configuration, and what its command is."""

    name: str
    package: str
    command: Callable[[Path, int], list[str]]

    @contextmanager
    def running(self) -> Generator[int]:
        """Run it while the block lasts; its port. Skips, or fails in CI, where it is not installed."""
        folder = Path(tempfile.mkdtemp(prefix="trio_ohws-"))
        folder.chmod(0o755)  # squid reads its configuration as another user
        with socket.create_server((LOOPBACK, 0)) as free:
            port: int = free.getsockname()[1]
        command = self.command(folder, port)
        program = shutil.which(command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if program is None:
            shutil.rmtree(folder)
            missing(self.name, f"apt-get install {self.package}")
        assert program is not None
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait(process, port, folder)
            yield port
        finally:
            # They have nothing to save, and squid takes seconds to say goodbye.
            process.kill()
            process.wait()
            shutil.rmtree(folder)

    def _wait(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        """Wait until the process accepts connections, which not all of them tell in any other way."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection((LOOPBACK, port)).close()
            except ConnectionRefusedError:
                log = (folder / "log").read_text(errors="replace")
                assert process.poll() is None, f"{self.name} ended: {log}"
                assert time.monotonic() < deadline, f"{self.name} does not listen: {log}"
                time.sleep(0.02)
            else:
                return


def tinyproxy(*, credentials: bool = False) -> Programme:
    """An HTTP proxy that wants credentials, or does not."""

    def command(folder: Path, port: int) -> list[str]:
        config = folder / "tinyproxy.conf"
        lines = [f"Port {port}", f"Listen {LOOPBACK}", "LogLevel Warning", "MaxClients 20"]
        if credentials:
            lines.append(f"BasicAuth {USERNAME} {PASSWORD}")
        config.write_text("\n".join([*lines, ""]))
        return ["tinyproxy", "-d", "-c", str(config)]

    return Programme("tinyproxy", "tinyproxy", command)


def squid(*, credentials: bool = False) -> Programme:
    """An HTTP proxy, the most used one, that wants credentials, or does not."""

    def command(folder: Path, port: int) -> list[str]:
        config = folder / "squid.conf"
        lines = [
            f"http_port {LOOPBACK}:{port}",
            "pid_filename none",
            "access_log none",
            "cache_log /dev/null",
            "cache deny all",
            "netdb_filename none",
            "pinger_enable off",
            "visible_hostname localhost",
        ]
        if credentials:
            passwords = folder / "passwords"
            passwords.write_text(PASSWORD_FILE)
            lines += [
                f"auth_param basic program {NCSA_AUTH} {passwords}",
                "auth_param basic children 1 startup=1",
                "acl known proxy_auth REQUIRED",
                "http_access allow known",
            ]
        lines.append(f"http_access {'deny' if credentials else 'allow'} all")
        config.write_text("\n".join([*lines, ""]))
        # The name tells processes apart, which else would take each other for the same service.
        return ["squid", "-N", "-n", f"p{port}", "-f", str(config)]

    return Programme("squid", "squid", command)


def microsocks() -> Programme:
    """A SOCKS5 proxy that wants a username and a password."""

    def command(_folder: Path, port: int) -> list[str]:
        return ["microsocks", "-i", LOOPBACK, "-p", str(port), "-u", USERNAME, "-P", PASSWORD]

    return Programme("microsocks", "microsocks", command)


def stunnel(target: int, ca: trustme.CA, *, wants_certificate: bool = False) -> Programme:
    """TLS in front of a port of this machine, with a certificate for localhost."""

    def command(folder: Path, port: int) -> list[str]:
        pem = folder / "server.pem"
        cert = ca.issue_cert("localhost", LOOPBACK)
        pem.write_bytes(cert.private_key_and_cert_chain_pem.bytes())
        pem.chmod(0o600)
        lines = ["foreground = yes", "pid =", "syslog = no", "debug = warning", "[front]"]
        lines += [f"accept = {LOOPBACK}:{port}", f"connect = {LOOPBACK}:{target}", f"cert = {pem}"]
        if wants_certificate:
            ca.cert_pem.write_to_path(str(folder / "ca.pem"))
            lines += [f"CAfile = {folder / 'ca.pem'}", "verifyChain = yes"]
        config = folder / "stunnel.conf"
        config.write_text("\n".join([*lines, ""]))
        return ["stunnel", str(config)]

    return Programme("stunnel", "stunnel4", command)
