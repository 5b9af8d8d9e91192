"""What the settings of OCPP 1.6 mean, in a line each (chapter 9 of the specification)."""

from __future__ import annotations

from collections.abc import Mapping

from app.ocpp16.standard_keys import Profile
from app.web.i18n import N_

PROFILES: Mapping[Profile, str] = {
    Profile.CORE: N_("Core"),
    Profile.LOCAL_LIST: N_("List of badges"),
    Profile.RESERVATION: N_("Reservation"),
    Profile.SMART_CHARGING: N_("Limits"),
    Profile.FIRMWARE: N_("Files"),
    Profile.SECURITY: N_("Security"),
}

KEYS: Mapping[str, str] = {
    "AdditionalRootCertificateCheck": N_("Keeps one authority, checked against the one before"),
    "AllowOfflineTxForUnknownId": N_("Unknown badges may charge while the manager is away"),
    "AuthorizationCacheEnabled": N_("Remembers badges that were accepted"),
    "AuthorizationKey": N_("Its password to the manager; never shown"),
    "AuthorizeRemoteTxRequests": N_("Asks for the badge of a remote start as well"),
    "BlinkRepeat": N_("How often its light blinks"),
    "CertificateSignedMaxChainSize": N_("Longest chain of certificates it takes, in characters"),
    "CertificateStoreMaxLength": N_("Certificates it can keep"),
    "ChargeProfileMaxStackLevel": N_("Highest level of a limit"),
    "ChargingScheduleAllowedChargingRateUnit": N_("Limits in amperes (Current), watts (Power)"),
    "ChargingScheduleMaxPeriods": N_("Steps that one limit may have"),
    "ClockAlignedDataInterval": N_("Measurements on the clock, every so many seconds; 0: none"),
    "ConnectionTimeOut": N_("Seconds to plug in after a badge"),
    "ConnectorPhaseRotation": N_("How its phases are wired to the board"),
    "ConnectorPhaseRotationMaxLength": N_("Entries that the wiring may have"),
    "ConnectorSwitch3to1PhaseSupported": N_("Can go from three phases to one"),
    "CpoName": N_("Name of the operator"),
    "GetConfigurationMaxKeys": N_("Settings it lists at once"),
    "HeartbeatInterval": N_("Sign of life, every so many seconds"),
    "LightIntensity": N_("Brightness of its light, in percent"),
    "LocalAuthListEnabled": N_("Uses the list of badges that the manager gives it"),
    "LocalAuthListMaxLength": N_("Badges that its list can hold"),
    "LocalAuthorizeOffline": N_("Known badges may charge while the manager is away"),
    "LocalPreAuthorize": N_("Known badges start at once, without waiting for the manager"),
    "MaxChargingProfilesInstalled": N_("Limits it can hold"),
    "MaxEnergyOnInvalidId": N_("Wh it still gives after a badge was refused"),
    "MeterValueSampleInterval": N_("Measurements of a charge, every so many seconds"),
    "MeterValuesAlignedData": N_("What it measures on the clock"),
    "MeterValuesAlignedDataMaxLength": N_("Measurements on the clock that it can list"),
    "MeterValuesSampledData": N_("What it measures during a charge"),
    "MeterValuesSampledDataMaxLength": N_("Measurements of a charge that it can list"),
    "MinimumStatusDuration": N_("Seconds a status must last before it is told"),
    "NumberOfConnectors": N_("Connectors"),
    "ReserveConnectorZeroSupported": N_("Can keep any one of its connectors"),
    "ResetRetries": N_("Attempts of a restart"),
    "SecurityProfile": N_("0 none, 1 password, 2 TLS and password, 3 TLS and certificate"),
    "SendLocalListMaxLength": N_("Badges that one message may bring"),
    "StopTransactionOnEVSideDisconnect": N_("Ends the charge when the car is unplugged"),
    "StopTransactionOnInvalidId": N_("Ends the charge when the badge is refused afterwards"),
    "StopTxnAlignedData": N_("Measurements on the clock told at the end of a charge"),
    "StopTxnAlignedDataMaxLength": N_("Measurements on the clock it can tell at the end"),
    "StopTxnSampledData": N_("Measurements told at the end of a charge"),
    "StopTxnSampledDataMaxLength": N_("Measurements it can tell at the end"),
    "SupportedFeatureProfiles": N_("Functions it offers"),
    "SupportedFeatureProfilesMaxLength": N_("Functions it can list"),
    "SupportedFileTransferProtocols": N_("Ways in which it fetches and leaves files"),
    "TransactionMessageAttempts": N_("Attempts to tell a start or an end"),
    "TransactionMessageRetryInterval": N_("Seconds before it tries again"),
    "UnlockConnectorOnEVSideDisconnect": N_("Unlocks when the car's end is unplugged"),
    "WebSocketPingInterval": N_("Ping, every so many seconds; 0: none"),
}
"""By key; every standard one is here (a test sees to it)."""
