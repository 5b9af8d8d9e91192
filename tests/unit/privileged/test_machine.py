from __future__ import annotations

import pytest

from app.privileged.machine import HostError
from tests.support.bench import Bench


def test_programs_get_no_shell_and_no_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    bench.program("tell", 'printf "%s|" "$@"; env | grep -c SECRET; echo "$LC_ALL"\n')
    assert bench.machine.must("tell", "a b", "$(id)", ";").output == "a b|$(id)|;|0\nC\n"


def test_what_a_program_may_do_wrong(bench: Bench) -> None:
    bench.failing("wrong")
    bench.program("slow", "exec sleep 60\n")
    bench.program("silent", "exit 7\n")
    with pytest.raises(HostError, match=r"host-program-failed.*wrong: no"):
        bench.machine.must("wrong")
    with pytest.raises(HostError, match="exit status 7"):
        bench.machine.must("silent")
    with pytest.raises(HostError, match="host-program-missing"):
        bench.machine.must("no-such-program")
    with pytest.raises(HostError, match="host-program-slow"):
        bench.machine.run("slow", timeout_s=0.2)
    bench.program("pointing", "printf 'Error: no table\\nadd x\\n    ^^^\\n' >&2; exit 1\n")
    with pytest.raises(HostError, match="Error: no table"):
        bench.machine.must("pointing")
    assert not bench.machine.tries("wrong")
    assert bench.machine.tries("nft")
