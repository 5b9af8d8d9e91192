"""When a site counts as steady."""

from __future__ import annotations

from simulators.plan import make_plan
from simulators.scenario import parse_scenario
from simulators.steadiness import Steadiness

SITE = """
title: A little site
description: Four stations and what happens to them.
site_name: Here
start: 2026-01-20T08:00:00
duration_s: 2000
circuits:
  - id: supply
    name: Supply
    limit_a: 100
    building:
      - {kind: constant, amperes: 10}
      - {kind: step, amperes: 10, at_s: 400, for_s: 100, every_s: 800}
      - {kind: step, amperes: 10, at_s: 1900}
stations:
  - {prefix: S, count: 4, circuit: supply, place: "P {n}", personas: {control-generic: 1}}
cars: {kind: occupied, share: 0.5, latecomers: {share: 0.2, at_s: 700, over_s: 20}}
events:
  - {kind: meter-dead, at_s: 900, for_s: 100}
  - {kind: clock-step, by_s: 5, at_s: 1700}
"""


def steady_spans() -> list[tuple[int, int]]:
    watch = Steadiness(make_plan(parse_scenario("little", SITE)))
    spans: list[tuple[int, int]] = []
    for now_s in range(2000):
        if watch.steady(float(now_s)):
            if spans and spans[-1][1] == now_s:
                spans[-1] = (spans[-1][0], now_s + 1)
            else:
                spans.append((now_s, now_s + 1))
    return spans


def test_a_site_is_steady_a_minute_after_whatever_happened() -> None:
    assert steady_spans() == [
        (120, 400),  # the site has filled up; then a load is switched on
        (460, 500),  # off
        (560, 700),  # cars come together, within 20 s
        (780, 900),  # the meter dies
        (960, 1000),  # and comes back
        (1060, 1200),  # the load again
        (1260, 1300),
        (1360, 1700),  # the clock is set
        (1760, 1900),
        (1960, 2000),
    ]
