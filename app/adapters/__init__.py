"""Ring 3: the only place with sockets, files, SQL and processes."""
