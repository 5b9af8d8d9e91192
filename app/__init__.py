"""Bornier: the charge manager of an electrical cabinet."""
