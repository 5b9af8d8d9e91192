"""Simulated charging stations and the cars that plug into them, independent of the manager."""
