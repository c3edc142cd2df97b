"""The gateway: real nginx, with the very configuration that `docs/nginx.conf` tells operators to use.

It runs without root in a folder of its own; `docs/nginx.conf` is changed in the lines marked there, and in no other.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from demo.parts import Part, start_part

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
CONFIGURATION = ROOT / "docs" / "nginx.conf"
ENVIRONMENT_READY = "Uvicorn running on"
NGINX_READY = "start worker process "
_RECORDER = ("proxy_set_header Accept-Encoding", "sub_filter '<head>'", "sub_filter_once")
_MAIN = """{user}daemon off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/gate.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where nginx listens, and what it stands between, each a port of 127.0.0.1; `key` is the environment's.

    `recorder`: the lines by which pages record themselves count.
    """

    port: int
    service: int
    environment: int
    key: str
    recorder: bool = False

    @property
    def origin(self) -> str:
        """The origin that browsers see, and that the environment's gateway audience begins with."""
        return f"http://{HOST}:{self.port}"


def find_nginx() -> str | None:
    """The program, which distributions keep out of people's paths."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def start_environment(port: int, log: Path) -> Part:
    """Start the small environment; `wait` for it."""
    command = [sys.executable, "-m", "demo.environment", f"--port={port}", f"--log={log}"]
    return start_part(command, ENVIRONMENT_READY, cwd=ROOT)


def start_gateway(program: str, gateway: Gateway, folder: Path) -> Part:
    """Start nginx, with everything of its own in `folder`; `wait` for it."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "gate-key.conf"
    key.touch(mode=0o600)
    key.write_text(f'set $gate_key "{gateway.key}";\n')
    (folder / "gate.conf").write_text(_configuration(gateway, key))
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.format(user=user, folder=folder))
    return start_part([program, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], NGINX_READY)


def _configuration(gateway: Gateway, key: Path) -> str:
    """The documented file, over plain HTTP on loopback."""
    changes = {
        "server 127.0.0.1:8000;": f"server {HOST}:{gateway.service};",
        "server 127.0.0.1:9000;": f"server {HOST}:{gateway.environment};",
        "listen 443 ssl;": f"listen {HOST}:{gateway.port};",
        "server_name gateway.vendor.example;": f"server_name {HOST};",
        "ssl_certificate /etc/nginx/gate.crt;": "",
        "ssl_certificate_key /etc/nginx/gate.key;": "",
        "include /etc/nginx/gate-key.conf;": f"include {key};",
    }
    text = CONFIGURATION.read_text(encoding="utf-8")
    for documented, ours in changes.items():
        if text.count(documented) != 1:
            raise ValueError(f"{CONFIGURATION.name} should have one line `{documented}`")
        text = text.replace(documented, ours)
    for line in _RECORDER if gateway.recorder else ():
        text = text.replace(f"#{line}", line)
    return text
