"""The service levels of serving, as the recording rules keep them (``slo:sli_error:ratio_rate…``)."""

from observability.dashboards.queries import recorded

# The share of requests that may fail, by `slo`. The same numbers are in ``observability/rules``; a test compares them.
BUDGETS = {"availability": 0.001, "latency": 0.01}


def errors(window: str, slo: str) -> str:
    """The share of requests that failed in `window`, by model."""
    return recorded(f"slo:sli_error:ratio_rate{window}", slo=slo)


def burn(window: str) -> str:
    """How many times faster than allowed the budget is being used; by `slo` and `model`."""
    return " or ".join(f"max by (slo, model) ({errors(window, slo)}) / {budget}" for slo, budget in BUDGETS.items())


def budget_left(window: str) -> str:
    """The share of the budget of `window` that is left; by `slo` and `model`."""
    return " or ".join(f"1 - max by (slo, model) ({errors(window, slo)}) / {budget}" for slo, budget in BUDGETS.items())
