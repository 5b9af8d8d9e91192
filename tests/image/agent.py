"""Commands for the guest's own shell, as root, over its second serial port (``guest/agent``)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import re
import time
from dataclasses import dataclass
from typing import Final

from tests.image.errors import ImageTestError
from tests.image.serial_port import SerialPort

MOST_SCRIPT: Final = 2700
"""Bytes: a request stays below what a terminal buffers. More goes on the test's disk."""

_AGAIN_S: Final = 15.0
_ANSWER: Final = re.compile(r"^@ (\d+) (\d+) ([0-9a-f]{8}) ([A-Za-z0-9+/=]*)\r?$", re.MULTILINE)
_HELLO: Final = re.compile(r"^@ hello ([0-9a-f-]{36})\r?$", re.MULTILINE)

_NUMBERS: Final = itertools.count(1)
"""Of all the requests: no two on one port may share one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script did: exit status and all its output."""

    status: int
    output: str


def check_of(payload: str) -> str:
    """The check of a line's payload."""
    return hashlib.sha256(payload.encode()).hexdigest()[:8]


def request(number: int, script: str) -> str:
    """The line that asks for ``script``. Raises ``ValueError`` when it is too long."""
    if len(script.encode()) > MOST_SCRIPT:
        raise ValueError(f"a script of {len(script.encode())} bytes: put it on the test's disk")
    payload = base64.b64encode(script.encode()).decode()
    return f"\n@ {number} {check_of(payload)} {payload}\n"


def answer_to(number: int, received: str) -> Answer | None:
    """The sound answer to request ``number`` among what was received, if there is one."""
    for found in _ANSWER.finditer(received):
        if int(found[1]) == number and check_of(found[4]) == found[3]:
            output = base64.b64decode(found[4]).decode(errors="replace")
            return Answer(int(found[2]), output)
    return None


class Guest:
    """The agent at the other end of ``port``."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port

    @property
    def boots(self) -> list[str]:
        """The boot ids under which the agent has announced itself, in order, each once."""
        return list(dict.fromkeys(_HELLO.findall(self._port.text)))

    def run(self, script: str, *, within_s: float = 120.0) -> Answer:
        """Runs ``script`` as root and waits. Raises ``ImageTestError`` without an answer in time."""
        number, mark = next(_NUMBERS), self._port.mark()
        line = request(number, script)
        deadline_s = time.monotonic() + within_s
        asked_s = -_AGAIN_S
        while True:
            received = self._port.since(mark)
            if answer := answer_to(number, received):
                return answer
            now_s = time.monotonic()
            if now_s > deadline_s or self._port.closed:
                raise ImageTestError(f"no answer from the guest within {within_s:.0f} s: {script}")
            if now_s - asked_s >= _AGAIN_S and _worth_asking(number, received):
                asked_s = now_s
                self._port.write(line)
            self._port.wait_change(min(1.0, max(0.0, deadline_s - now_s)))

    def output(self, script: str, *, within_s: float = 120.0) -> str:
        """The output of a script that must succeed. Raises ``ImageTestError`` when it fails."""
        answer = self.run(script, within_s=within_s)
        if answer.status != 0:
            raise ImageTestError(f"exit status {answer.status} of: {script}\n{answer.output}")
        return answer.output.strip()

    def content(self, script: str, *, within_s: float = 300.0) -> str:
        """Like ``output``, for much of it: compressed on its way through the serial port."""
        # By way of a file, for the status of a pipeline is that of its end.
        packed = self.output(
            f"t=$(mktemp) && ({script}) >$t && gzip -c $t | base64 -w 0 && rm $t",
            within_s=within_s,
        )
        return gzip.decompress(base64.b64decode(packed)).decode(errors="replace")

    def tell(self, script: str) -> None:
        """Has ``script`` run without waiting for it: a reboot, a crash."""
        self._port.write(request(next(_NUMBERS), script))


def _worth_asking(number: int, received: str) -> bool:
    """The request is not known to be taken, or its answer came damaged."""
    taken = re.search(rf"^@ {number} taken\r?$", received, re.MULTILINE)
    answered = re.search(rf"^@ {number} \d+ .*\n", received, re.MULTILINE)
    return taken is None or answered is not None
