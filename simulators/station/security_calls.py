"""The security extension: keys, profiles and certificates ("Improved security for OCPP 1.6-J")."""

from __future__ import annotations

from dataclasses import replace

from simulators.station.calls import (
    Afterwards,
    CallRefusedError,
    Handler,
    Handlers,
    Lifecycle,
    Payload,
    fields,
)
from simulators.station.certificates import belongs, leads_to, read_certificates, signing_request
from simulators.station.core import Core
from simulators.station.vault import CENTRAL, MAKER, Vault

KEY, PROFILE = "AuthorizationKey", "SecurityProfile"


class SecurityCalls:
    """Answers the calls about a station's secrets, and asks for its certificate."""

    def __init__(
        self, core: Core, vault: Vault, lifecycle: Lifecycle, afterwards: Afterwards, serial: str
    ) -> None:
        self._core = core
        self._vault = vault
        self._lifecycle = lifecycle
        self._afterwards = afterwards
        self._serial = serial

    def handlers(self) -> Handlers:
        """What it answers."""
        return {
            "CertificateSigned": self._only_with(self._signed, "certificateChain"),
            "DeleteCertificate": self._only_with(self._delete, "certificateHashData"),
            "GetInstalledCertificateIds": self._only_with(self._installed, "certificateType"),
            "InstallCertificate": self._only_with(self._install, "certificateType certificate"),
        }

    def _only_with(self, handler: Handler, names: str) -> tuple[Handler, frozenset[str]]:
        def answer(payload: Payload) -> Payload:
            if not self._core.persona.security_extension:
                raise CallRefusedError("NotImplemented", "security extension")
            return handler(payload)

        return answer, fields(names)

    # ------------------------------------------------------------------ key and profile

    def change(self, key: str, value: str) -> str | None:
        """ChangeConfiguration of a secret: its status, ``None`` when the key is none of them."""
        core = self._core
        if key == KEY:
            status = self._change_key(value)
        elif key == PROFILE and core.persona.security_extension:
            status = self._change_profile(value)
        else:
            return None
        if status == "Accepted" and core.persona.reconnects_for_key:
            self._afterwards.append(self._lifecycle.drop_socket)
        return status

    def _change_key(self, value: str) -> str:
        if self._core.faults.refuses_keys:
            return "Rejected"
        if self._core.faults.forgets_new_keys:
            return "Accepted"
        return "Accepted" if self._vault.take_key(value, self._core.persona) else "Rejected"

    def _change_profile(self, value: str) -> str:
        vault, shown = self._vault, self._vault.shown
        profile = int(value) if value in ("0", "1", "2", "3") else -1
        # No way back to less (extension, A05.FR.03), nor to what it has no means for.
        missing = (
            (profile in (1, 2) and shown.key is None)
            or (profile >= 2 and not vault.roots[CENTRAL] and not vault.believes_all)
            or (profile == 3 and not shown.client_chain)
        )
        if profile <= shown.profile or missing or self._core.faults.refuses_keys:
            return "Rejected"
        vault.present(replace(shown, profile=profile))
        self._core.keys.values[PROFILE] = str(profile)
        return "Accepted"

    # ------------------------------------------------------------------ certificates

    def request_certificate(self) -> None:
        """Send SignCertificate with a new key's request."""
        core = self._core
        key, request = signing_request(self._serial, core.keys.values.get("CpoName", ""))
        self._vault.pending_key = key
        core.caller.call("SignCertificate", {"csr": request}, self._requested)

    def _requested(self, answer: Payload | None) -> None:
        if answer is None or answer.get("status") != "Accepted":
            self._core.note("security: the certificate was not granted")
            self._vault.pending_key = ""

    def _signed(self, payload: Payload) -> Payload:
        core, vault = self._core, self._vault
        text = str(payload["certificateChain"])
        if not vault.pending_key or not self._acceptable(text):
            core.security_event("InvalidChargePointCertificate")
            return {"status": "Rejected"}
        shown = replace(vault.shown, client_chain=text, client_key=vault.pending_key)
        vault.pending_key = ""
        vault.present(shown)
        if shown.profile == 3:
            self._afterwards.append(self._lifecycle.drop_socket)
        return {"status": "Accepted"}

    def _acceptable(self, text: str) -> bool:
        vault = self._vault
        try:
            chain = read_certificates(text)
        except ValueError:
            return False
        roots = vault.roots[CENTRAL]
        known = not roots or leads_to(chain, roots, self._core.clock())
        return known and belongs(chain[0], vault.pending_key)

    def _install(self, payload: Payload) -> Payload:
        core = self._core
        kind, text = _kind(payload), str(payload["certificate"])
        most = core.persona.certificates_max
        status = self._vault.install(kind, text, most, core.clock())
        core.note(f"security: {kind} {status}")
        return {"status": status}

    def _installed(self, payload: Payload) -> Payload:
        found = self._vault.installed(_kind(payload))
        if not found:
            return {"status": "NotFound"}
        return {"status": "Accepted", "certificateHashData": found}

    def _delete(self, payload: Payload) -> Payload:
        wanted = payload["certificateHashData"]
        names = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
        return {"status": self._vault.delete({name: str(wanted[name]).strip() for name in names})}

    # ------------------------------------------------------------------ the link's fate

    def connected(self) -> None:
        """The central system took the station in."""
        self._vault.accepted()

    def refused(self) -> None:
        """No connection came about."""
        core = self._core
        if not core.persona.rolls_back_security:
            return
        if self._vault.refused():
            if PROFILE in core.keys.values:
                core.keys.values[PROFILE] = str(self._vault.shown.profile)
            core.note("security: back to what worked before")


def _kind(payload: Payload) -> str:
    kind = str(payload["certificateType"])
    if kind not in (CENTRAL, MAKER):
        raise ValueError(kind)
    return kind
