"""Logging and metrics for every process of Sluice, and the rules, dashboards and runbooks that read them."""
