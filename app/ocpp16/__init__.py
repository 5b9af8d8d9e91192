"""Ring 1: OCPP 1.6J without I/O."""
