"""Stage ``boot``: from the first power-on of a freshly flashed box to a car that charges."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from tests.image import audit, bench, pictures
from tests.image.accelerator import accelerator
from tests.image.bench import Bench
from tests.image.errors import ImageTestError
from tests.image.machine import Hardware

MOST_EXPOSURE: Final = 1.2
LEAST_LYNIS: Final = 75
MOST_COMPRESSED_MB: Final = 280
SERVICE_ADDRESS: Final = "192.168.123.1"

OPEN_PORTS: Final = {"tcp": {443, 8080, 8081}, "udp": {68, 123, 546, 5353}}
"""As the README documents them: pages, stations without and with TLS; DHCP of both families, mDNS.
FTP for files of stations is not among them: no station was told to use it."""

NEEDED_PORTS: Final = {"tcp": {443, 8080, 8081}, "udp": {123, 5353}}
"""Whether a DHCP client listens depends on what it has been answered."""

STATIONS: Final = ("PLAIN-001", "SECURE-001")


def run(place: Bench) -> dict[str, Any]:
    """The stage's keys for the report. Raises ``ImageTestError`` with every promise broken."""
    hardware = Hardware(
        disk=place.fresh_disk("boot"),
        payload=place.payload(audit.tools(place.scratch)),
        screen=place.pictures is not None,
    )
    with place.machine("boot", hardware) as box:
        boot_s = bench.wait_ready(box)
        place.say(f"HTTPS after {boot_s:.0f} s")
        person = bench.first_person(box)
        if place.pictures is not None:
            pictures.take(box, place.pictures)
        person.describe(STATIONS)
        plain, secure = STATIONS
        charging_a = {
            "ws": person.charge(plain, f"ws://127.0.0.1:{box.ocpp_port}/ocpp"),
            "wss": person.charge(
                secure, f"wss://127.0.0.1:{box.secure_ocpp_port}/ocpp", "--insecure"
            ),
        }
        place.say(f"cars charge: {charging_a}")
        facts = bench.facts(box)
        _show(facts)
        keys = {
            "boot_to_https_s": round(boot_s, 1),
            "accelerator": accelerator(),
            "failed_units": len(facts.get("failed", [])),
            "systemd_exposure": _exposure(facts),
            "tls_ok": _tls_ok(box.web_port, facts),
            "compressed_mb": _compressed_mb(place.image),
            "open_ports": open_ports(facts.get("socket", [])),
            "charging_a": charging_a,
        }
        place.say("facts are gathered")
        audit.start(box)
        keys["lynis_index"] = audit.index(box, place.logs)
        place.say(f"lynis: {keys['lynis_index']}")
        _judge(keys, facts)
        box.press_power_button()
        box.wait_off(bench.OFF_S)
    return keys


def _show(facts: dict[str, list[str]]) -> None:
    for name, values in facts.items():
        for value in values:
            sys.stdout.write(f"guest: {name} = {value}\n")


def _compressed_mb(image: Path) -> float:
    packed = image.with_name(f"{image.name}.zst")
    if not packed.exists():
        raise ImageTestError(f"{packed} is missing: make image")
    return round(packed.stat().st_size / 1e6, 1)


def _exposure(facts: dict[str, list[str]]) -> float:
    found = re.search(r"(\d+\.\d)", facts["exposure"][0])
    if found is None:
        raise ImageTestError(f"no exposure in {facts['exposure']}")
    return float(found[1])


def open_ports(sockets: Sequence[str]) -> dict[str, list[int]]:
    """Ports listened on beyond loopback."""
    ports: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for line in sockets:
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
    broken += port_trouble(keys["open_ports"])
    # No alarm, a clock that follows a server or none, and the time that the box has itself.
    if facts["time"] not in (["0 10 True"], ["0 4 True"]):
        broken.append(f"the time server says {facts['time']}")
    if facts["carrier"] != ["up"]:
        broken.append(f"LAN1 is {facts['carrier']}")
    if keys["lynis_index"] < LEAST_LYNIS:
        broken.append(f"lynis {keys['lynis_index']}")
    if keys["compressed_mb"] > MOST_COMPRESSED_MB:
        broken.append(f"{keys['compressed_mb']} MB to download")
    if not facts["root"][0].split()[2].startswith("ro"):
        broken.append("the root is writable")
    if int(facts["data"][0].split()[1]) < 3 * 1024**3:
        broken.append("the data partition was not grown")
    if broken:
        raise ImageTestError("; ".join(broken))


def port_trouble(ports: dict[str, list[int]]) -> list[str]:
    """What differs from the documented ports."""
    trouble = []
    for kind, documented in OPEN_PORTS.items():
        found = set(ports[kind])
        if found - documented:
            trouble.append(f"undocumented {kind} ports {sorted(found - documented)}")
        if NEEDED_PORTS[kind] - found:
            trouble.append(f"closed {kind} ports {sorted(NEEDED_PORTS[kind] - found)}")
    return trouble
