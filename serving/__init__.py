"""The prediction service: whatever the registry calls champion, over HTTP."""
