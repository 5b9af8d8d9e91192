"""Simulated stations, cars, meters and operators, with their own implementation of the protocols."""
