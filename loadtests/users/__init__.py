"""Users of the load tests: stations and people."""
