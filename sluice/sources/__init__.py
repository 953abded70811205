"""Where a use case's rows come from: small classes behind one protocol, chosen by ``source:`` in use_case.yaml."""

from sluice.sources.kinds import open_source
from sluice.sources.source import Malformed, Source

__all__ = ["Malformed", "Source", "open_source"]
