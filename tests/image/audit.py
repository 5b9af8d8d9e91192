"""Debian's ``lynis``, run in the guest from the test's disk: no box carries it."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.image.errors import ImageTestError
from tests.image.machine import Machine

_PROFILE: Final = Path(__file__).parent / "lynis.prf"
_DOWNLOAD_S: Final = 300.0
_AUDIT_S: Final = 1200.0
_POLL_S: Final = 10.0


def tools(folder: Path) -> Path:
    """A folder ``lynis`` that runs from anywhere, with our profile. Raises ``ImageTestError``."""
    unpacked = folder / "lynis.deb"
    unpacked.mkdir()
    # The package comes from the sources of this machine, as those of the image do.
    script = "apt-get download -qq lynis || { apt-get update -qq && apt-get download -qq lynis; }"
    done = subprocess.run(
        ["sh", "-e", "-c", f"{script}\ndpkg -x lynis_*.deb ."],
        cwd=unpacked,
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_S,
        check=False,
    )
    if done.returncode != 0:
        raise ImageTestError(f"lynis cannot be had from Debian: {done.stderr}")
    made = folder / "lynis"
    subprocess.run(["cp", "-r", unpacked / "usr/share/lynis", made], check=True, timeout=60)
    for part in ("usr/sbin/lynis", "etc/lynis/default.prf", "etc/lynis/plugins"):
        subprocess.run(["cp", "-r", unpacked / part, made], check=True, timeout=60)
    subprocess.run(["cp", _PROFILE, made / "custom.prf"], check=True, timeout=60)
    # Its log takes two processes for each line, half of all the time; output and report say enough.
    constants = made / "include" / "consts"
    constants.write_text(constants.read_text().replace("LOGTEXT=1", "LOGTEXT=0"))
    return made


def start(box: Machine) -> None:
    """Begins the audit; it goes on beside other questions to the guest."""
    box.guest.output("mkdir -p /run/lynis && cp -r /run/image-test/lynis /run/lynis/tool")
    box.guest.output(
        "cd /run/lynis/tool && setsid sh ./lynis audit system --no-colors --quick --no-plugins"
        " --no-log --report-file /run/lynis/report >/run/lynis/output 2>&1 &"
    )


def index(box: Machine, logs: Path) -> int:
    """Waits for the hardening index; what lynis says is kept in ``logs``."""
    deadline_s = time.monotonic() + _AUDIT_S
    ended = False
    while not ended and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        ended = box.guest.run("grep -qs ^hardening_index= /run/lynis/report").status == 0
    for name in ("report", "output"):
        (logs / f"lynis.{name}").write_text(box.guest.content(f"cat /run/lynis/{name}"))
    if not ended:
        raise ImageTestError(f"lynis did not end within {_AUDIT_S:.0f} s")
    found = re.search(r"^hardening_index=(\d+)$", (logs / "lynis.report").read_text(), re.MULTILINE)
    if found is None:
        raise ImageTestError("lynis gave no index")
    return int(found[1])
