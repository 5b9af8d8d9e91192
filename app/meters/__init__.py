"""Ring 1: energy meters declared as data, and the decoding of their registers."""
