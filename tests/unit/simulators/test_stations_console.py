"""The stations command: mixes of personas, what stations show, commands typed or scripted."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.__main__ import main
from simulators.station import cli, console, trust
from simulators.station.config import Faults
from simulators.station.console import CommandError, Console, Quit
from simulators.station.persona import expand, persona_names
from simulators.station.vault import CENTRAL, Credentials
from tests.support.authority import Authority, private_pem
from tests.unit.simulators.station_bench import Bench, virtual

SITE = Authority("Site", datetime.now(UTC))


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(arguments)


# ---------------------------------------------------------------------- mixes


def test_a_mix_of_personas() -> None:
    assert expand(["premium-2019:2, control-generic", "strict-generic"]) == [
        "premium-2019",
        "premium-2019",
        "control-generic",
        "strict-generic",
    ]
    assert expand(["all"]) == persona_names()


@pytest.mark.parametrize("text", ["whim", "all:0", "control-generic:x", "control-generic:1001", ""])
def test_a_mix_that_cannot_be(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError):
        expand([text])
    assert main(["stations", "--count", "1", "--persona", text, "--seconds", "0"]) == 1
    assert "stations: " in capsys.readouterr().err


@pytest.mark.parametrize("command", [["personas"], ["stations", "--persona", "list"]])
def test_the_personas_are_described(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == persona_names()
    assert all(len(line.split()) > 4 for line in lines)


# ---------------------------------------------------------------------- what stations show


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], Credentials()),
        (["--key", "secret-{id}"], Credentials(1, b"secret-A-001")),
        (["--key-hex", "00ff"], Credentials(1, b"\x00\xff")),
        (["--key", "s", "--url", "wss://box/ocpp"], Credentials(2, b"s")),
    ],
)
def test_what_a_station_shows(arguments: list[str], shown: Credentials) -> None:
    assert trust.vault_of(options(*arguments), "A-001").shown == shown


def test_a_client_certificate_is_shown_with_its_key(tmp_path: Path) -> None:
    pem, key = SITE.issue("A-001")
    for name, text in (("ca", SITE.pem), ("crt", pem), ("key", private_pem(key))):
        (tmp_path / name).write_text(text)
    where = ["--url", "wss://box", "--tls-ca", str(tmp_path / "ca")]
    pair = ["--client-cert", str(tmp_path / "crt"), "--client-key", str(tmp_path / "key")]
    vault = trust.vault_of(options(*where, *pair), "A-001")
    assert vault.shown == Credentials(3, None, pem, private_pem(key))
    assert vault.roots[CENTRAL] == [SITE.certificate]
    with pytest.raises(ValueError, match="together"):
        trust.vault_of(options(*where, *pair[:2]), "A-001")
    with pytest.raises(OSError, match="no certificate"):
        trust.vault_of(options("--ca", str(tmp_path / "key")), "A-001")
    with pytest.raises(OSError):
        trust.vault_of(options("--ca", str(tmp_path / "none")), "A-001")


# ---------------------------------------------------------------------- commands


@virtual
async def test_commands_drive_the_stations() -> None:
    told: list[str] = []
    async with Bench("secure-generic") as bench:
        obeying = Console([bench.station], told.append)

        async def do(line: str, seconds: int = 3) -> None:
            assert obeying.obey(line) == 0.0
            await bench.run(seconds)

        await do("plug A-001 1 10   # a small car")
        await do("swipe A-001 TAG", 20)
        assert bench.amps == (10.0, 0.0, 0.0)
        await do("status")
        assert told == ["A-001 (secure-generic) connected: 1 Charging 10.0 A"]
        await do("fault A-001/1")
        assert bench.central.statuses()[-1] == "Faulted"
        await do("repair A-001/1")
        await do("unplug *")
        assert bench.central.statuses()[-1] == "Available"
        await do("plug A-001/1")
        await do("fault A-001 clock_skew_s=3600 ignores_profiles=true delay_s=0.1,0.2")
        expected = Faults(clock_skew_s=3600, ignores_profiles=True, delay_s=(0.1, 0.2))
        assert bench.station.faults == expected
        await do("fault * delay_s=0,0")
        await do("cut A-001", 0)
        assert not bench.online()
        await bench.run(10)
        assert bench.online()
        await do("ghost A-001", 10)
        await do("cut A-001 30", 5)
        assert not bench.station.network.up
        await bench.run(60)
        await do("event A-001 InvalidFirmwareSignature of something")
        (event,) = bench.central.named("SecurityEventNotification")
        assert event["techInfo"] == "of something"
        await do("certificate A-001")
        assert bench.central.named("SignCertificate")
        await do("power A-001", 10)
        await do("status")
        assert told[-1].startswith("A-001 (secure-generic) without power")
        await bench.run(30)
        await do("power A-001 5", 30)
        await do("reboot A-001", 30)
        assert len(bench.central.named("BootNotification")) == 4
        assert obeying.obey("wait 7.5") == 7.5
        assert obeying.obey("  # nothing") == 0.0
        with pytest.raises(Quit):
            obeying.obey("quit")


@pytest.mark.parametrize(
    "line",
    [
        "dance A-001",
        "plug",
        "plug B-001",
        "plug A-001/2",
        "plug A-001 4",
        "plug A-001 3 900",
        "plug A-001 3 16 1",
        "plug A-001 x",
        "unplug A-001 now",
        "repair A-001 now",
        "reboot A-001 now",
        "swipe A-001",
        "swipe A-001 A B",
        "fault A-001 whim=1",
        "fault A-001 clock_skew_s=later",
        "cut A-001 later",
        "cut A-001 1 2",
        "power A-001 -1",
        "wait 1e9",
        "wait nan",
        "event A-001",
        "x" * 1001,
    ],
)
@virtual
async def test_lines_that_cannot_be_obeyed(line: str) -> None:
    async with Bench() as bench:
        with pytest.raises(CommandError):
            Console([bench.station], print).obey(line)


async def lines(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


@virtual
async def test_a_script_ends_at_a_mistake_and_a_person_is_told_of_it() -> None:
    told: list[str] = []
    async with Bench() as bench:
        obeying = Console([bench.station], told.append)
        start_s = bench.station._loop.time()
        with pytest.raises(CommandError, match="line 2: not understood: dance"):
            await obeying.follow(lines("wait 5", "dance", "wait 50"), strict=True)
        await obeying.follow(lines("dance", "wait 5", "quit", "wait 50"), strict=False)
        assert bench.station._loop.time() - start_s == 10.0
        assert told == ["not understood: dance"]


@virtual
async def test_a_script_has_a_longest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "MOST_LINES", 2)
    async with Bench() as bench:
        with pytest.raises(CommandError, match="more than 2 lines"):
            await Console([bench.station], print).follow(lines("", "", ""), strict=False)


async def test_lines_are_typed_into_a_pipe_or_come_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        os.write(writing, b"status\nquit\n")
        os.close(writing)
        async with asyncio.timeout(20):
            assert [line async for line in console.typed_lines()] == ["status\n", "quit\n"]
    file = tmp_path / "script"
    file.write_text("status\nquit\n")
    with file.open() as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        assert [line async for line in console.typed_lines()] == ["status\n", "quit\n"]
    assert [line async for line in console.lines_of(file)] == ["status", "quit"]
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CommandError, match="no text"):
        _ = [line async for line in console.lines_of(file)]


@pytest.mark.parametrize(("text", "status"), [("wait 0\nstatus\n", 0), ("dance\n", 1)])
def test_a_script_ends_the_command(
    text: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script"
    script.write_text(text)
    command = ["stations", "--count", "2", "--url", "ws://127.0.0.1:1/ocpp"]
    assert main([*command, "--script", str(script)]) == status
    said = capsys.readouterr()
    if status:
        assert "line 1: not understood: dance" in said.err
    else:
        assert "A-002 (control-generic) away: 1 Available 0.0 A" in said.out
