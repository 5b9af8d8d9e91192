"""What every test may use. Browser fixtures live in tests/e2e/conftest.py."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# On shared cores a slow example says nothing about the code: no deadline, ever.
settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
