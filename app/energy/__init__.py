"""Load management: pure decisions over integers; no I/O, time is passed in.

``Planner(model, settings).plan(state)`` turns one frozen ``SiteState`` into a ``Plan``: the limit
and reason of every connector, the changes to send now, and the balance of every circuit. Before
each send ``planner.permits(change, now_s)`` asks the guard once more; then
``number = planner.ceilings.sent(...)``, and the answer comes back through
``planner.ceilings.accepted | refused | unanswered(key, number, now_s)``.
"""
