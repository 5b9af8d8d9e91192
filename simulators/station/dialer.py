"""How a station dials its central system: which address, what it shows, whom it believes."""

from __future__ import annotations

import base64
from urllib.parse import quote, urlsplit

from simulators.station.link import Link, websocket_link
from simulators.station.persona import Persona
from simulators.station.vault import Vault


class Dialer:
    """The link factory of one station on real sockets; it shows what ``vault`` holds by then.

    ``url`` is the address without the identity. From security profile 2 on it must be TLS: the
    station dials ``secure_url`` then, or the same address by ``wss://``.
    """

    def __init__(
        self,
        url: str,
        station_id: str,
        persona: Persona,
        vault: Vault | None = None,
        secure_url: str | None = None,
    ) -> None:
        self.vault = vault or Vault()
        self._url = url.rstrip("/")
        self._secure_url = secure_url or self._url.replace("ws://", "wss://", 1)
        self._station_id = station_id
        self._persona = persona

    async def __call__(self) -> Link:
        """Connect; raises ``OSError`` when there is no way, or one side refuses the other."""
        shown = self.vault.shown
        url = self._secure_url.rstrip("/") if shown.profile >= 2 else self._url
        secure = urlsplit(url).scheme == "wss"
        return await websocket_link(
            f"{url}/{quote(self._station_id, safe='')}",
            self._persona.subprotocol,
            tls=self.vault.tls(self._persona) if secure else None,
            authorization=self._authorization(),
        )

    def _authorization(self) -> str | None:
        """Basic authentication (OCPP-J 1.6, clause 6.2); profile 3 shows a certificate instead."""
        shown = self.vault.shown
        if shown.key is None or shown.profile == 3:
            return None
        login = self._station_id.encode() + b":" + shown.key
        return "Basic " + base64.b64encode(login).decode()
