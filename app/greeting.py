"""What the person at the console reads at the start: where the pages are, what stations call.

In French and in English at once: a box's console has no language.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

HTTPS_PORT = 443
_LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared only


class Ports(NamedTuple):
    """What is listened on; no ``ocpps`` where stations have no TLS port."""

    web: int
    ocpp: int
    ocpps: int | None


def greeting(
    web_host: str, host_name: str, public_names: Sequence[str], ports: Ports, secret: str | None
) -> str:
    """Lines to print. ``public_names`` are further names and addresses of this machine; ``secret``
    is that of the first sign-in, while it is needed.

    A browser finds the box by its name (mDNS) or an address. Stations are told an address where
    there is one: few of them resolve names of a LAN without a server.
    """
    addresses = [name for name in public_names if _can_be_typed(name)]
    if web_host == _LOOPBACK:
        pages, station_host = ["localhost"], "localhost"
    elif web_host == _EVERYWHERE:
        named = [name for name in public_names if not _is_number(name)]
        local = host_name if "." in host_name else f"{host_name}.local"
        pages = [local, *named, *addresses]
        station_host = (addresses or [local])[0]
    else:
        pages, station_host = [web_host], web_host
    port = "" if ports.web == HTTPS_PORT else f":{ports.web}"
    lines = [f"https://{page}{port}/" for page in dict.fromkeys(pages)]
    stations = [f"ws://{station_host}:{ports.ocpp}/ocpp/{{station}}"]
    if ports.ocpps is not None:
        stations.append(f"wss://{station_host}:{ports.ocpps}/ocpp/{{station}}")
    text = ["", *_labelled("Bornier", lines), *_labelled("Stations", stations)]
    if secret is not None:
        text += [
            f"  Première connexion / First sign-in: admin / {secret}",
            "  (à remplacer par un mot de passe à vous / to be replaced by a password of your own)",
        ]
    return "\n".join([*text, "", ""])


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    return [f"  {label if number == 0 else '':10} {line}" for number, line in enumerate(lines)]


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _can_be_typed(name: str) -> bool:
    """Whether it is an IPv4 address that others on the LAN reach."""
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)
