"""Ring 2: use cases over ports."""
