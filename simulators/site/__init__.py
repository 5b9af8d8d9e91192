"""The simulated site's electrical truth: circuits, building, cars' workload, breakers' oracle."""
