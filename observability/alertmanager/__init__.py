"""Alertmanager's configuration, and how a notification reads."""
