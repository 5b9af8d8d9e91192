"""QEMU's own interface: the power button and the screen."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

_TIMEOUT_S: Final = 30.0


def execute(path: Path, command: str, **arguments: Any) -> Any:
    """What ``command`` returns. Raises ``OSError`` when QEMU does not answer or refuses."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(_TIMEOUT_S)
        monitor.connect(str(path))
        with monitor.makefile("rw", encoding="utf-8") as stream:
            stream.readline()  # the greeting
            _ask(stream, "qmp_capabilities", {})
            return _ask(stream, command, arguments)


def _ask(stream: Any, command: str, arguments: dict[str, Any]) -> Any:
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    while line := stream.readline():
        answer = json.loads(line)
        if "error" in answer:
            raise OSError(f"{command}: {answer['error']['desc']}")
        if "return" in answer:
            return answer["return"]
    raise OSError(f"{command}: QEMU closed the connection")
