"""Ring 3: the web interface and its API."""
