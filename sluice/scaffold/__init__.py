"""A use case to begin with, as a package of its own: what `sluice new` writes."""

from sluice.scaffold.package import Written, write_package
from sluice.scaffold.refusal import ScaffoldRefusedError

__all__ = ["ScaffoldRefusedError", "Written", "write_package"]
