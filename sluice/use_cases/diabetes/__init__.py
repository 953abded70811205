"""Diabetes from eight measurements of a person."""
