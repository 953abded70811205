"""Movie recommendations from ratings."""
