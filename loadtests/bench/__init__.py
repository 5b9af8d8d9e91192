"""Performance figures, as ratios against reference servers measured in the same run."""
