"""Runs over HTTP: start, list, look at, follow, cancel and retry them."""
