"""Every constant of load management, in one place, with its unit and its reason."""

from __future__ import annotations

import msgspec


class EnergySettings(msgspec.Struct, frozen=True):
    """Constants of the planner; the defaults are the product's."""

    # ---- limits and leases
    lease_s: float = 600.0
    """How long a sent limit holds at the station without news from the manager."""
    renew_after_s: float = 300.0
    """A limit older than this is sent again unchanged, so that it never lapses."""
    lease_grace_s: float = 30.0
    """How much later than asked a station may let a lease lapse (its clock, its own delay)."""
    answer_timeout_s: float = 30.0
    """A sent limit without an answer for this long counts as unanswered."""
    retry_s: float = 10.0
    """Least time before a refused or unanswered limit is tried again; doubles at each failure."""
    retry_decrease_s: float = 5.0
    """A decrease without an answer, or refused, is sent again after this long."""
    retry_longest_s: float = 300.0
    """Longest time between two tries."""
    refusals_before_giving_up: int = 3
    """After this many refusals in a row the connector is budgeted at what it may draw."""

    # ---- following of limits
    follow_s: float = 8.0
    """A car has followed a lower limit this long after it was accepted (5 s by IEC 61851-1,
    plus the station)."""
    comply_tolerance_ma: int = 500
    """A measured draw up to this much above a limit counts as compliance."""
    violation_ma: int = 1_000
    """A draw this far above the limit, or ``violation_share`` above it, is a violation."""
    violation_share: float = 0.05
    """See ``violation_ma``; the greater of the two applies."""
    violation_s: float = 15.0
    """A violation that lasts this long makes the connector count as disobeying."""
    violation_alone_s: float = 30.0
    """The same where one sample alone says so and no other has come since, though it should have."""
    violation_slow_s: float = 20.0
    """The same of a station that samples no more often than this."""
    violation_reserve_ma: int = 1_000
    """A disobeying connector is budgeted at its measured draw plus this."""

    # ---- samples
    sample_delay_s: float = 2.0
    """A sample may have been measured up to this long before it was received."""
    meter_delay_s: float = 1.0
    """A meter's answer may describe the instant this long before it was received."""
    sample_ages: float = 2.0
    """A sample older than this many sampling intervals is late."""
    presumed_s: float = 180.0
    """A car that says it charges is presumed to draw what it drew for this long without a sample."""
    tight_margin_ma: int = 200
    """How much more than a settled sample tells a car may draw, where a circuit is overloaded."""
    ceiling_hold_s: float = 2.0
    """A ceiling that fell is still used this long against the meter, which shows the past."""

    unknown_patience_s: float = 60.0
    """A draw that no sample settles is explained by the ceiling for this long; then the plan
    counts it as building, as the guard always does."""

    # ---- phases
    phase_samples: int = 2
    """Consistent samples before the phases of a session are narrowed."""

    # ---- demand
    demand_slack_ma: int = 1_000
    """A car drawing this much below its limit does not want it all; its demand is its draw
    plus this."""
    demand_steady_s: float = 30.0
    """How long the limit must have stood, and the draw stayed low, before demand is lowered."""
    demand_near_ma: int = 500
    """A draw this near to the demand raises the demand at once."""
    demand_probe_ma: int = 2_000
    """First step of a rise of demand; doubles while the car keeps following."""
    demand_probe_s: float = 600.0
    """Demand is raised by one step this often without being asked."""
    suspended_s: float = 10.0
    """A car in SuspendedEV for this long wants no more than ``keep_warm_ma``."""
    asleep_suspended_s: float = 60.0
    """A car in SuspendedEV for this long is asleep."""
    asleep_idle_s: float = 180.0
    """A car that was offered current for this long and draws nothing is asleep."""
    asleep_draw_ma: int = 1_000
    """A draw below this is nothing."""
    keep_warm_ma: int = 6_000
    """What a sleeping car is offered, so that it can wake."""
    keep_warm_s: float = 0.0
    """A car asleep for longer makes room when others want more: it may well be full."""
    wake_retry_s: float = 1_800.0
    """A sleeping car paused for want of room gets a new chance after this long."""

    # ---- background
    background_fall_s: float = 15.0
    """The planned background is the greatest estimate of this many past seconds."""
    background_drift_s: float = 20.0
    """Time constant of the drift towards what the samples make likely."""
    overload_patience_s: float = 4.0
    """An overload that lasts this long, with no decrease under way, is met with the worst case."""
    overload_follow_s: float = 6.0
    """A decrease sent this long ago has no more share in curing an overload."""
    contradiction_ma: int = 3_000
    """A meter this far below what the stations are thought to draw contradicts it."""
    urgent_rise_ma: int = 2_000
    """A rise of a meter that sees one part only, from which the next cycle does not wait."""
    stale_freeze_s: float = 2.5
    """A reading older than this allows no increase."""
    stale_static_s: float = 4.0
    """A reading older than this counts for nothing: the static budget applies. Three polls in a row
    were lost by then; together with the cars' time to follow, a load that comes on unseen is
    answered within the 8 s that a seen one is."""
    start_grace_s: float = 15.0
    """A meter that has not answered since the start is waited for this long; till then what is in
    force stays, and nothing is added."""
    recovery_readings: int = 3
    """Good readings in a row before a lost meter is trusted again."""
    count_export: bool = False
    """Whether exported current counts as room."""

    # ---- stability
    decrease_dead_band: float = 0.75
    """Limits are lowered once the load would eat into this share of the circuit's margin."""
    least_increase_ma: int = 1_000
    """Smaller increases are not worth a message."""
    increase_interval_s: float = 10.0
    """Least time between any change and the next increase on a connector."""
    increase_step_ma: int = 10_000
    """Greatest increase in one message."""
    redistribute_now_ma: int = 2_000
    """Unfairness from which current is moved between connectors at once."""
    redistribute_patience_s: float = 60.0
    """Smaller unfairness (one step) is mended once it has lasted this long."""
    min_on_s: float = 900.0
    """A session keeps its admission this long against soft reasons."""
    min_off_s: float = 300.0
    """A paused session stays paused this long, unless it has never been served."""
    rotation_s: float = 1_800.0
    """Under shortage a session makes room for a waiting one after this long."""
    changes_per_cycle: int = 50
    """Most messages in one cycle, unless there are more decreases: those all go at once."""
