"""Ring 1: load management, pure: from a site state to an allocation."""
