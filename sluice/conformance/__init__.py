"""What every use case has to hold to, tried on a sample of its own data, in this process and without a stack.

`sluice check churn` prints it; a package's own test is one line: ``assert_conforms("churn")``.
"""

from sluice.conformance.outcome import Outcome, UseCaseNonconformingError
from sluice.conformance.suite import assert_conforms, check_use_case

__all__ = ["Outcome", "UseCaseNonconformingError", "assert_conforms", "check_use_case"]
