"""The day as a picture (SVG): what the building took, what the cars took, and the limit above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from html import escape
from typing import Any

from simulators.driver import Moment
from simulators.part import three
from simulators.plan import SitePlan

WIDTH, HEIGHT = 1200, 640
LEFT, RIGHT, TOP, BOTTOM = 74, 28, 118, 92
_PLOT_WIDTH = WIDTH - LEFT - RIGHT
_PLOT_HEIGHT = HEIGHT - TOP - BOTTOM
_BUILDING, _CHARGING, _PEAK, _LIMIT, _UNMANAGED = (
    "#9aa5b1", "#2f9e6e", "#14532d", "#c2410c", "#b45309",
)  # fmt: skip
_INK, _MUTED, _GRID = "#1f2933", "#616e7c", "#e4e7eb"


def draw_day(
    plan: SitePlan,
    moments: Sequence[Moment],
    unmanaged_a: Sequence[tuple[float, float, float]],
    report: dict[str, Any],
) -> str:
    """The whole picture. Amperes are those of the fullest phase at the end of the run.

    ``unmanaged_a`` is what building and cars would have drawn with no manager, over the same time.
    """
    phase = _fullest_phase(moments)
    limit_a = three(plan.circuits[0].limit_a)[phase]
    totals = [m.building_a[phase] + m.charging_a[phase] for m in moments]
    unmanaged = [row[phase] for row in unmanaged_a]
    top_a = max([limit_a, *totals, *unmanaged]) * 1.06
    duration_s = plan.scenario.duration_s

    def x(at_s: float) -> float:
        return LEFT + _PLOT_WIDTH * min(1.0, at_s / duration_s)

    def y(amperes: float) -> float:
        return TOP + _PLOT_HEIGHT * (1 - amperes / top_a)

    times = [x(moment.at_s) for moment in moments]
    base = [y(0.0)] * len(times)
    building = [y(moment.building_a[phase]) for moment in moments]
    total = [y(amperes) for amperes in totals]
    step_s = duration_s / max(1, len(unmanaged))
    without = _line(
        [x((number + 0.5) * step_s) for number in range(len(unmanaged))],
        [y(amperes) for amperes in unmanaged],
    )
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            f' aria-label="{escape(plan.scenario.title)}"'
            ' font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _heading(plan, report, phase),
        _grid(plan, top_a, x, y),
        _area(times, base, building, _BUILDING, 0.55),
        _area(times, building, total, _CHARGING, 0.55),
        (
            f'<path d="{without}" fill="none" stroke="{_UNMANAGED}" stroke-width="1.5"'
            ' stroke-dasharray="2 4" stroke-linejoin="round"/>'
        ),
        (
            f'<path d="{_line(times, total)}" fill="none" stroke="{_PEAK}" stroke-width="1.6"'
            ' stroke-linejoin="round"/>'
        ),
        (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(limit_a):.1f}" y2="{y(limit_a):.1f}"'
            f' stroke="{_LIMIT}" stroke-width="2.2"/>'
        ),
        (
            f'<text x="{WIDTH - RIGHT - 6}" y="{y(limit_a) - 8:.1f}" text-anchor="end" font-size="14"'
            f' font-weight="600" fill="{_LIMIT}">limit {limit_a:.0f} A</text>'
        ),
        _legend(phase),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def unmanaged_day(plan: SitePlan, step_s: float = 300.0) -> list[tuple[float, float, float]]:
    """Building and cars per phase and step if nobody managed the cars (A)."""
    buildings = list(plan.buildings().values())
    rows: list[tuple[float, float, float]] = []
    for number, cars in enumerate(plan.unmanaged_cars_a(step_s)):
        a, b, c = cars
        for building in buildings:
            la, lb, lc = building.amperes(number * step_s)
            a, b, c = a + la, b + lb, c + lc
        rows.append((a, b, c))
    return rows


def _fullest_phase(moments: Sequence[Moment]) -> int:
    sums = [
        sum(moment.building_a[phase] + moment.charging_a[phase] for moment in moments)
        for phase in (0, 1, 2)
    ]
    return sums.index(max(sums))


def _heading(plan: SitePlan, report: dict[str, Any], phase: int) -> str:
    asked, delivered = report["kwh_asked"], report["kwh_delivered"]
    share = f" ({delivered / asked:.0%})" if asked else ""
    trips, longest = report["breakers_tripped"], report["longest_overload_s"]
    facts = (
        f"{report['stations']} stations, {report['cars']} cars. "
        f"{delivered:,.0f} kWh delivered of {asked:,.0f} asked for{share}. "
        f"Breakers tripped: {trips}. Longest overload: {longest:.0f} s."
    )
    return (
        f'<text x="{LEFT}" y="42" font-size="24" font-weight="650" fill="{_INK}">'
        f"{escape(plan.scenario.title)}</text>"
        f'<text x="{LEFT}" y="70" font-size="15" fill="{_MUTED}">{escape(facts)}</text>'
        f'<text x="{LEFT}" y="{TOP - 12}" font-size="13" fill="{_MUTED}">'
        f"amperes on L{phase + 1} of the supply</text>"
    )


def _grid(
    plan: SitePlan, top_a: float, x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    parts: list[str] = []
    step_a = next(step for step in (10, 20, 50, 100, 200, 500, 1000) if top_a / step <= 9)
    for amperes in range(0, int(top_a) + 1, step_a):
        level = y(amperes)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}"'
            f' stroke="{_GRID}"/><text x="{LEFT - 10}" y="{level + 5:.1f}" text-anchor="end"'
            f' font-size="13" fill="{_MUTED}">{amperes}</text>'
        )
    duration_s = plan.scenario.duration_s
    step_s = next(
        step for step in (60, 300, 600, 1800, 3600, 7200, 14_400) if duration_s / step <= 13
    )
    for number in range(int(duration_s / step_s) + 1):
        at_s = number * step_s
        clock = (plan.scenario.start + timedelta(seconds=at_s)).strftime("%H:%M")
        parts.append(
            f'<line x1="{x(at_s):.1f}" x2="{x(at_s):.1f}" y1="{y(0):.1f}" y2="{y(0) + 6:.1f}"'
            f' stroke="{_MUTED}"/><text x="{x(at_s):.1f}" y="{y(0) + 24:.1f}" text-anchor="middle"'
            f' font-size="13" fill="{_MUTED}">{clock}</text>'
        )
    return "".join(parts)


def _legend(phase: int) -> str:
    y = HEIGHT - 26
    entries = [
        (_BUILDING, "building", "area"),
        (_CHARGING, "charging", "area"),
        (_PEAK, f"total on L{phase + 1}", "line"),
        (_UNMANAGED, "without management", "dots"),
    ]
    parts: list[str] = []
    left = LEFT
    for colour, text, kind in entries:
        if kind == "area":
            mark = (
                f'<rect x="{left}" y="{y - 11}" width="22" height="13" rx="2" fill="{colour}"'
                ' fill-opacity="0.55"/>'
            )
        else:
            dashes = ' stroke-dasharray="2 4"' if kind == "dots" else ""
            mark = (
                f'<line x1="{left}" x2="{left + 22}" y1="{y - 5}" y2="{y - 5}" stroke="{colour}"'
                f' stroke-width="2"{dashes}/>'
            )
        parts.append(
            f'{mark}<text x="{left + 30}" y="{y}" font-size="14" fill="{_INK}">{text}</text>'
        )
        left += 62 + 8 * len(text)
    return "".join(parts)


def _line(xs: Sequence[float], ys: Sequence[float]) -> str:
    points = [f"{px:.1f} {py:.1f}" for px, py in zip(xs, ys, strict=True)]
    return "M" + " L".join(points) if points else ""


def _area(
    xs: Sequence[float], lower: Sequence[float], upper: Sequence[float], colour: str, opacity: float
) -> str:
    outline = _line([*xs, *reversed(xs)], [*upper, *reversed(lower)])
    return f'<path d="{outline} Z" fill="{colour}" fill-opacity="{opacity}"/>'
