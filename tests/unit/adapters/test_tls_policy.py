"""The decisions of ``ensure_tls_policy``; the handshakes are in tests/integration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.adapters.tls_policy import ensure_tls_policy


class StartedAnewError(Exception):
    """Stands where the operating system would replace the process."""


@pytest.fixture(autouse=True)
def _no_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    def execv(program: str, arguments: list[str]) -> None:
        raise StartedAnewError(program, arguments)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setenv("OPENSSL_CONF", "")  # given back after the test, whatever it becomes
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "-m", "app", "serve"])


def forget_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_ssl", "_hashlib"):
        monkeypatch.delitem(sys.modules, module, raising=False)


def test_before_openssl_is_loaded_the_variable_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_openssl(monkeypatch)
    ensure_tls_policy(tmp_path / "data")
    policy = tmp_path / "data" / "openssl.cnf"
    assert os.environ["OPENSSL_CONF"] == str(policy)
    assert "Ciphersuites = TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256\n" in policy.read_text()


def test_once_openssl_is_loaded_the_very_same_command_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_openssl(monkeypatch)
    monkeypatch.setitem(sys.modules, "_hashlib", sys)
    with pytest.raises(StartedAnewError) as anew:
        ensure_tls_policy(tmp_path)
    program, arguments = anew.value.args
    assert program == sys.executable
    assert arguments == [sys.executable, "-X", "dev", "-m", "app", "serve"]
    ensure_tls_policy(tmp_path)  # the new process finds everything settled


def test_somebody_elses_policy_and_an_altered_file_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_openssl(monkeypatch)
    monkeypatch.setitem(sys.modules, "_ssl", sys)
    monkeypatch.setenv("OPENSSL_CONF", "/etc/ssl/openssl.cnf")
    with pytest.raises(StartedAnewError):
        ensure_tls_policy(tmp_path)
    (tmp_path / "openssl.cnf").write_text("")
    with pytest.raises(StartedAnewError):
        ensure_tls_policy(tmp_path)
    ensure_tls_policy(tmp_path)
