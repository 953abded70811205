"""Ratings that are made up, in any number: what the benchmarks run where real ones are too few."""
