"""The dashboards, built in Python and committed as JSON under ``observability/grafana/dashboards``.

``python -m observability.dashboards`` writes the JSON anew, ``--check`` says whether it is what this code makes. Only
that needs grafana-foundation-sdk, which is a dependency of development; nothing that runs imports this package.
"""
