"""Which settings the specification names, which are secret, and how answers are put together."""

from __future__ import annotations

import pytest

from app.ocpp16.actions.manager_calls import GetConfigurationConfirmation, KeyValue
from app.ocpp16.standard_keys import (
    PORTION,
    STANDARD_KEYS,
    KeyKind,
    Profile,
    is_cut,
    is_secret,
    merged,
    portions,
)


def answer(
    *keys: tuple[str, str | None], unknown: tuple[str, ...] = ()
) -> GetConfigurationConfirmation:
    return GetConfigurationConfirmation(
        configuration_key=tuple(KeyValue(key, False, value) for key, value in keys),
        unknown_key=unknown,
    )


def test_the_specification_is_known() -> None:
    assert len(STANDARD_KEYS) == 50
    assert STANDARD_KEYS["heartbeatinterval"].kind is KeyKind.WHOLE
    assert not STANDARD_KEYS["numberofconnectors"].writable
    assert STANDARD_KEYS["chargeprofilemaxstacklevel"].profile is Profile.SMART_CHARGING


@pytest.mark.parametrize(
    "key",
    ["AuthorizationKey", "WifiPassword", "acme.passphrase", "OCPP_Secret", "FTP.Credential",
     "PrivateKey", "private_key", "ApiKey", "AdminPIN.pin", "PinCode", "AccessToken", "WifiPSK"],
)  # fmt: skip
def test_secrets_are_told_by_their_names(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", [key for key in STANDARD_KEYS if key != "authorizationkey"])
def test_no_other_standard_setting_is_a_secret(key: str) -> None:
    assert not is_secret(key)
    assert not is_secret("WebSocketPingInterval")


def test_portions_leave_out_what_is_known_and_what_is_secret() -> None:
    asked = [key for portion in portions(["heartbeatinterval"]) for key in portion]
    assert len(asked) == len(STANDARD_KEYS) - 2
    assert "HeartbeatInterval" not in asked
    assert "AuthorizationKey" not in asked
    assert all(len(portion) <= PORTION for portion in portions([]))
    assert all(len(portion) == 1 for portion in portions([], 0))
    assert list(portions(STANDARD_KEYS)) == []


@pytest.mark.parametrize(
    ("keys", "cut"),
    [
        ((("GetConfigurationMaxKeys", "2"), ("A", "1")), True),
        ((("GetConfigurationMaxKeys", "2"), ("A", "1"), ("B", "1")), False),
        ((("GetConfigurationMaxKeys", "3"), ("A", "1")), False),
        ((("GetConfigurationMaxKeys", "many"), ("A", "1")), False),
        ((("GetConfigurationMaxKeys", "²"),), False),
        ((("A", "1"), ("GetConfigurationMaxKeys", None)), False),
        ((("A", "1"),), False),
        ((), False),
    ],
)
def test_a_list_cut_at_the_stations_maximum_is_noticed(
    keys: tuple[tuple[str, str | None], ...], cut: bool
) -> None:
    assert is_cut(answer(*keys)) is cut
    assert is_cut(GetConfigurationConfirmation()) is False


def test_answers_are_put_together() -> None:
    together = merged(
        [
            answer(("A", "1"), ("B", None), unknown=("C", "D")),
            answer(("a", "2"), ("c", "3"), unknown=("D",)),
            GetConfigurationConfirmation(),
        ]
    )
    settings = together.configuration_key or ()
    assert [(one.key, one.value) for one in settings] == [("A", "1"), ("B", None), ("c", "3")]
    assert together.unknown_key == ("D",)
