"""The session that README.md shows, run as it stands, but for its port and the installation."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _block(start: str) -> str:
    match = re.search(rf"^```{re.escape(start)}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert match is not None, start
    return match[1]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_from_nothing_to_a_pika_script_in_four_commands(tmp_path: Path) -> None:
    port = _free_port()
    for name in ("yaml shop.yaml", "python hello.py"):
        text = _block(name).replace("amqp://localhost/", f"amqp://localhost:{port}/")
        (tmp_path / name.split()[1]).write_text(text, encoding="utf-8")
    session = _block("sh\npip install . pika")
    install, serve, hello, kill = ("pip install . pika\n" + session).splitlines()
    assert install.startswith("pip install")
    hello, _, shown = hello.partition("#")
    commands = [f"{serve.removesuffix('&')} --port {port} &", hello, kill, "wait"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(
        [f"listening on amqp://127.0.0.1:{port}", shown.strip()]
    )
    assert "stopped" in done.stderr
