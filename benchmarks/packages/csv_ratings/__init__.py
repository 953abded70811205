"""The generated ratings, from a CSV: what the benchmark of the ingest reads."""
