"""The agent of the image tests: the real script, run by this machine's shell."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import agent
from tests.image.agent import Answer, Guest
from tests.image.errors import ImageTestError
from tests.image.serial_port import SerialPort

SCRIPT = Path(agent.__file__).parent / "guest" / "agent"


@pytest.fixture
def wire() -> Iterator[tuple[SerialPort, subprocess.Popen[bytes]]]:
    ours, theirs = socket.socketpair()
    with subprocess.Popen(
        ["sh", str(SCRIPT)], stdin=theirs.fileno(), stdout=theirs.fileno()
    ) as process:
        theirs.close()
        port = SerialPort(ours)
        yield port, process
        port.close()
        process.wait(20)


def test_a_script_answers_with_its_status_and_all_its_output(
    wire: tuple[SerialPort, subprocess.Popen[bytes]],
) -> None:
    guest = Guest(wire[0])
    assert guest.run("echo out; echo err >&2; printf 'é\\n'; exit 3") == Answer(3, "out\nerr\né\n")
    assert guest.output("echo '@ 1 0 x y'") == "@ 1 0 x y"
    assert guest.output("seq 20000").splitlines()[-1] == "20000"
    assert guest.content("seq 20000") == guest.output("seq 20000") + "\n"


def test_a_failing_script_is_an_error_that_shows_its_output(
    wire: tuple[SerialPort, subprocess.Popen[bytes]],
) -> None:
    with pytest.raises(ImageTestError, match=r"status 4 of: .*\nno space"):
        Guest(wire[0]).output("echo no space; exit 4")
    with pytest.raises(ImageTestError, match=r"status 5 of: .*\nno such"):
        Guest(wire[0]).content("echo part; echo no such >&2; exit 5")


def test_a_script_reads_nothing_of_what_the_test_sends_next(
    wire: tuple[SerialPort, subprocess.Popen[bytes]],
) -> None:
    guest = Guest(wire[0])
    assert guest.run("cat").output == ""
    assert guest.output("echo still here") == "still here"


def test_noise_and_damaged_requests_run_nothing(
    wire: tuple[SerialPort, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    port, _ = wire
    witness = tmp_path / "ran"
    damaged = agent.request(1_000_007, f"touch {witness}").replace("dG91", "dG92", 1)
    assert damaged != agent.request(1_000_007, f"touch {witness}")
    port.write("BdsDxe: loading\x1b[2J\n@\n@ 1000007\n@ x y z\n" + damaged)
    port.write("half a line")
    assert Guest(port).output("echo sound") == "sound"
    assert not witness.exists()


def test_the_same_request_twice_runs_once_and_is_answered_twice(
    wire: tuple[SerialPort, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    port, _ = wire
    log = tmp_path / "runs"
    line = agent.request(1_000_000, f"echo ran >>{log}; echo done")
    port.write(line + line)
    guest = Guest(port)
    assert guest.output("echo after") == "after"
    assert log.read_text() == "ran\n"
    assert port.text.count("ZG9uZQo=") == 2


def test_the_agent_says_under_which_boot_it_runs(
    wire: tuple[SerialPort, subprocess.Popen[bytes]],
) -> None:
    guest = Guest(wire[0])
    guest.output("true")
    assert guest.boots == [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]


def test_a_machine_that_goes_off_does_not_keep_the_test_waiting(
    wire: tuple[SerialPort, subprocess.Popen[bytes]],
) -> None:
    port, process = wire
    with pytest.raises(ImageTestError, match="no answer"):
        Guest(port).run(f"kill -9 {process.pid}", within_s=170)


def test_a_script_that_does_not_end_is_an_error_by_the_deadline(
    wire: tuple[SerialPort, subprocess.Popen[bytes]],
) -> None:
    with pytest.raises(ImageTestError, match="within 1 s"):
        Guest(wire[0]).run("sleep 4", within_s=1)


@pytest.mark.parametrize(
    "received",
    [
        "",
        "@ 1 taken\n",
        "@ 2 0 e3b0c442 \n",  # another request's
        "@ 1 0 00000000 aGk=\n",  # the check is wrong
        "@ 1 0 e3b0c442 aGk=\n",
        "@ 1 0 c2b03c6f aGk",  # not all of it yet
    ],
)
def test_only_a_whole_and_sound_answer_counts(received: str) -> None:
    assert agent.answer_to(1, received) is None


def test_an_answer_is_found_among_noise() -> None:
    line = f"@ 1 0 {agent.check_of('aGk=')} aGk=\r\n"
    assert agent.answer_to(1, "\x1b[2J=3h\n@ 1 taken\r\n" + line) == Answer(0, "hi")


def test_a_script_too_long_for_a_terminal_is_refused() -> None:
    with pytest.raises(ValueError, match="on the test's disk"):
        agent.request(1, "#" * (agent.MOST_SCRIPT + 1))
