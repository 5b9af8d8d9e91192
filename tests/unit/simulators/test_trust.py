from __future__ import annotations

import argparse
import ssl
from pathlib import Path

import pytest

from simulators.__main__ import main
from simulators.station.trust import add_arguments, client_context


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_a_plain_address_needs_no_trust() -> None:
    assert client_context("ws://127.0.0.1:8080/ocpp", None, insecure=True) is None


def test_a_certificate_is_verified_unless_told_otherwise() -> None:
    verified = client_context("wss://box/ocpp", options().ca, insecure=options().insecure)
    assert verified is not None
    assert (verified.verify_mode, verified.check_hostname) == (ssl.CERT_REQUIRED, True)
    believing = client_context("WSS://box", None, insecure=options("--insecure").insecure)
    assert believing is not None
    assert (believing.verify_mode, believing.check_hostname) == (ssl.CERT_NONE, False)


def test_to_believe_anything_and_one_authority_contradict_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        options("--insecure", "--ca", "box.crt")
    assert "not allowed" in capsys.readouterr().err


def test_an_authority_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.crt"
    empty.write_text("")
    for path in (empty, tmp_path / "absent.crt"):
        with pytest.raises(OSError):
            client_context("wss://box", path, insecure=False)
        command = ["run", "small-4", "--ocpp-url", "wss://127.0.0.1:1/ocpp", "--ca", str(path)]
        assert main(command) == 2
        assert str(path) in capsys.readouterr().err
