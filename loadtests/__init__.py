"""Load tests and performance figures of the manager."""
