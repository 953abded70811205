"""Prometheus' configuration."""
