"""A local nginx for the benchmarks: HTTP and HTTPS, files of a directory, its own certificate."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CONFIGURATION = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{ listen 127.0.0.1:{http}; root {served}; }}
  server {{ listen 127.0.0.1:{https} ssl; root {served};
    ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem; }}
}}
"""


@frozen
class Server:
    """Two addresses, the certificate to trust, and the program's process."""

    http: str
    https: str
    certificate: Path
    pid: int


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def nginx(served: Path, home: Path) -> Generator[Server]:
    """
    Serve a directory.

    Args:
        served: The directory.
        home: A place for the server's own files; it is made.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
    if program is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    home.mkdir()
    # Its workers may be another user's.
    for path in (served, home):
        path.chmod(0o755)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", home / "key.pem", "-out", home / "cert.pem", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    ports = {"http": free_port(), "https": free_port()}
    text = CONFIGURATION.format(home=home, served=served, **ports)
    (home / "nginx.conf").write_text(text)
    server = subprocess.Popen(
        [program, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"]
    )
    try:
        for port in ports.values():
            wait_for(port)
        http, https = (f"{scheme}://localhost:{port}/" for scheme, port in ports.items())
        yield Server(http, https, home / "cert.pem", server.pid)
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
