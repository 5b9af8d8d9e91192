"""Stage ``boot``: from the first power-on of a freshly flashed box to a car that charges."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography import x509

from tests.image.machine import ImageTestError, Machine
from tests.image.site import Site

HTTPS_S: Final = 480.0
"""Under software emulation, on a busy machine; a box takes a fortieth of it."""

REPORT_S: Final = 300.0
CHARGE_S: Final = 180
OFF_S: Final = 120.0
MOST_EXPOSURE: Final = 1.2
SERVICE_ADDRESS: Final = "192.168.123.1"

OPEN_PORTS: Final = {"tcp": {443, 8080}, "udp": {68, 546, 5353}}
"""As the README documents them: pages, stations; DHCP of both families, mDNS."""

_REPORT_UNIT: Final = "image-test.service"


def run(image: Path, folder: Path) -> dict[str, Any]:
    """The stage's keys for the report. Raises ``ImageTestError`` at the first promise broken."""
    units = {
        f"systemd.extra-unit.{_REPORT_UNIT}": (Path(__file__).parent / "guest.service").read_text(),
        "systemd.unit-dropin.multi-user.target": f"[Unit]\nWants={_REPORT_UNIT}\n",
    }
    with Machine(image, folder, units=units) as box:
        boot_s = box.wait("HTTPS", HTTPS_S, lambda: _ready(box))
        box.wait("the secret on the console", REPORT_S, lambda: _secret(box.console))
        site = Site(box.web_port, _secret(box.console))
        site.describe()
        current_a = site.charge(box.ocpp_port, CHARGE_S)
        box.wait("the guest's own report", REPORT_S, lambda: "end=" in box.report)
        facts = _facts(box.report)
        _show(facts)
        keys = {
            "boot_to_https_s": round(boot_s, 1),
            "accelerator": "tcg",
            "failed_units": len(facts.get("failed", [])),
            "systemd_exposure": _exposure(facts),
            "tls_ok": _tls_ok(box.web_port, facts),
            "open_ports": _open_ports(facts),
            "charging_a": current_a,
        }
        _judge(keys, facts)
        box.press_power_button()
        box.wait_off(OFF_S)
    return keys


def _ready(box: Machine) -> bool:
    try:
        answer = httpx.get(
            f"https://127.0.0.1:{box.web_port}/health", verify=False, timeout=10, trust_env=False
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def _secret(console: str) -> str:
    found = re.findall(r"First sign-in: admin / ([a-z0-9-]+)", console)
    return found[-1] if found else ""


def _facts(report: str) -> dict[str, list[str]]:
    facts: dict[str, list[str]] = {}
    for line in report.replace("\r", "").splitlines():
        name, separator, value = line.partition("=")
        if separator:
            facts.setdefault(name.strip(), []).append(value.strip())
    return facts


def _show(facts: dict[str, list[str]]) -> None:
    for name, values in facts.items():
        for value in values:
            sys.stdout.write(f"guest: {name} = {value}\n")


def _exposure(facts: dict[str, list[str]]) -> float:
    found = re.search(r"(\d+\.\d)", facts["exposure"][0])
    if found is None:
        raise ImageTestError(f"no exposure in {facts['exposure']}")
    return float(found[1])


def _open_ports(facts: dict[str, list[str]]) -> dict[str, list[int]]:
    """Ports listened on beyond loopback."""
    ports: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for line in facts.get("socket", []):
        kind, _state, _received, _sent, local = line.split()[:5]
        address, _, port = local.rpartition(":")
        if not address.startswith(("127.", "[::1]")):
            ports[kind].add(int(port))
    return {kind: sorted(numbers) for kind, numbers in ports.items()}


def _tls_ok(port: int, facts: dict[str, list[str]]) -> bool:
    """AES-256 only in TLS 1.2 and 1.3, nothing older; the box's names in the certificate."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=60)
    carried = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = {str(address) for address in carried.value.get_values_for_type(x509.IPAddress)}
    names = set(carried.value.get_values_for_type(x509.DNSName))
    host = facts["machine"][0].split()[1]
    leased = {re.sub("/.*", "", line.split()[3]) for line in facts["lan1"]}
    return (
        _handshake(port, "-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384")
        and _handshake(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384")
        and not _handshake(port, "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256")
        and not _handshake(port, "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
        and not _handshake(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
        and not _handshake(port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        and addresses >= leased | {SERVICE_ADDRESS}
        and names >= {host, f"{host}.local"}
    )


def _handshake(port: int, *options: str) -> bool:
    command: Sequence[str] = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    return b"Cipher is (NONE)" not in ended.stdout and ended.returncode == 0


def _judge(keys: dict[str, Any], facts: dict[str, list[str]]) -> None:
    broken = []
    if keys["failed_units"] or facts["state"] != ["running"]:
        broken.append(f"failed units: {facts.get('failed', facts['state'])}")
    if keys["systemd_exposure"] > MOST_EXPOSURE:
        broken.append(f"exposure {keys['systemd_exposure']}")
    if not keys["tls_ok"]:
        broken.append("TLS is not as promised")
    for kind, documented in OPEN_PORTS.items():
        undocumented = set(keys["open_ports"][kind]) - documented
        if undocumented:
            broken.append(f"undocumented {kind} ports {sorted(undocumented)}")
    if not {443, 8080} <= set(keys["open_ports"]["tcp"]):
        broken.append("the manager's ports are closed")
    if not facts["root"][0].split()[2].startswith("ro"):
        broken.append("the root is writable")
    if int(facts["data"][0].split()[1]) < 3 * 1024**3:
        broken.append("the data partition was not grown")
    if broken:
        raise ImageTestError("; ".join(broken))
