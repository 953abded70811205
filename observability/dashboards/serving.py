"""Does serving answer, quickly, with which version, and within its service levels."""

from typing import Any

from observability.dashboards.links import link, page
from observability.dashboards.page import Page, Rows
from observability.dashboards.panels import (
    BAD,
    GOOD,
    WARNING,
    bars,
    distribution,
    graph,
    number,
    stacked,
    timeline,
)
from observability.dashboards.queries import PROMETHEUS, buckets, now, over_time, quantile, rate, series
from observability.dashboards.service_levels import burn
from observability.dashboards.variables import Variable, addresses, model, of_metrics

MINE = {"model": "~$model"}
REQUESTS = "http_server_request_duration_seconds"
# Where somebody asks for an answer; not the probes, the pages and the metrics.
ASKED = {"http_route": "!~/(livez|readyz|metrics|static|console).*|"}
FAILED = {"http_response_status_code": "~5.."}
# Its burn rate wakes somebody (14.4), or is a warning (6).
BURNING = ((None, "transparent"), (1.0, GOOD), (6.0, WARNING), (14.4, BAD))


def _rows() -> Rows:
    of_model = (
        link("This version in MLflow", "${mlflow_url}/#/models/${__field.labels.model}"),
        link("Models", page("models", model="${__field.labels.model}")),
    )
    to_logs = (link("Log of serving", page("logs", service_name="serving")),)
    return {
        "Now": [
            number(
                "Requests", "Requests per second, of every path.", "reqps", now(f"sum({rate(REQUESTS + '_count')})")
            ),
            number(
                "Errors",
                "The share of requests that serving answered with a 5xx status.",
                "percentunit",
                now(
                    f"(sum({rate(REQUESTS + '_count', **FAILED)}) or vector(0)) / sum({rate(REQUESTS + '_count')})",
                ),
                bounds=((None, GOOD), (0.001, WARNING), (0.01, BAD)),
            ),
            number(
                "Slowest of a hundred",
                "Ninety-nine of a hundred requests were answered within this time; probes and pages not counted.",
                "s",
                now(f"histogram_quantile(0.99, sum by (le) ({rate(REQUESTS + '_bucket', **ASKED)}))"),
            ),
            number(
                "In flight now",
                "Requests that are being answered.",
                "short",
                now(f"sum({series('http_server_active_requests')})"),
            ),
            number(
                "Log backlog",
                "Predictions that were answered and are not in the document store yet.",
                "short",
                now(f"sum({series('sluice_prediction_log_backlog')})"),
                bounds=((None, GOOD), (1000.0, WARNING), (10000.0, BAD)),
            ),
            number(
                "Registry unseen for",
                "Since the registry last answered serving. Until then a new champion is not taken up.",
                "s",
                now(f"max(time() - {series('sluice_registry_last_success_timestamp_seconds')})"),
                bounds=((None, GOOD), (60.0, WARNING), (300.0, BAD)),
            ),
        ],
        "Requests": [
            stacked(
                "Rate by status",
                "Requests per second, by the status that they were answered with.",
                "reqps",
                over_time(
                    f"sum by (http_response_status_code) ({rate(REQUESTS + '_count')})",
                    "{{http_response_status_code}}",
                ),
            ),
            graph(
                "Rate by route",
                "Requests per second, of every route. Paths that do not exist are counted together.",
                "reqps",
                over_time(f"sum by (http_route) ({rate(REQUESTS + '_count', **ASKED)})", "{{http_route}}"),
            ),
            graph(
                "Errors by route",
                "The share of requests that were answered with a 5xx status: the service's fault, never the client's.",
                "percentunit",
                over_time(
                    f"(sum by (http_route) ({rate(REQUESTS + '_count', **FAILED)}) "
                    f"or 0 * sum by (http_route) ({rate(REQUESTS + '_count', **ASKED)})) "
                    f"/ (sum by (http_route) ({rate(REQUESTS + '_count', **ASKED)}) > 0)",
                    "{{http_route}}",
                ),
                links=to_logs,
            ),
            graph(
                "Duration by route",
                "Nineteen of twenty requests of the route were answered within this time. A point is one request: it "
                "leads to its trace.",
                "s",
                over_time(quantile(0.95, REQUESTS, "http_route", **ASKED), "{{http_route}}", exemplar=True),
                links=to_logs,
            ),
            distribution(
                "Duration of all requests",
                "How many requests took how long; darker is more. Two bands: two kinds of request.",
                "s",
                buckets(f"sum by (le) ({rate(REQUESTS + '_bucket', **ASKED)})"),
            ),
            graph(
                "In flight",
                "Requests that are being answered. As many as the limit: the next ones wait, or are refused.",
                "short",
                over_time(
                    f"sum by (instance) ({series('http_server_active_requests')})",
                    "{{instance}}",
                ),
            ),
        ],
        "Service levels": [
            graph(
                "Budget burn, one hour",
                "How many times faster than allowed each model uses its error budget. At 1 it lasts exactly its "
                "period; at 14.4 it is gone in two days, and somebody is woken.",
                "none",
                over_time(burn("1h"), "{{slo}} {{model}}"),
                bounds=BURNING,
            ),
            graph(
                "Budget burn, six hours",
                "The same over a longer time: slower, and without short peaks. Somebody is woken at 6.",
                "none",
                over_time(burn("6h"), "{{slo}} {{model}}"),
                bounds=((None, "transparent"), (1.0, GOOD), (6.0, BAD)),
            ),
        ],
        "Predictions": [
            graph(
                "Requests by model and version",
                "Requests per second that named the model, whatever the answer.",
                "reqps",
                over_time(
                    f"sum by (model, model_version) ({rate('sluice_prediction_requests_total', **MINE)})",
                    "{{model}} v{{model_version}}",
                ),
                links=of_model,
            ),
            graph(
                "Duration by model and version",
                "Time in the model, without parsing, waiting and encoding; nineteen of twenty were quicker.",
                "s",
                over_time(
                    quantile(0.95, "sluice_prediction_duration_seconds", "model, model_version", **MINE),
                    "{{model}} v{{model_version}}",
                ),
                links=of_model,
            ),
            distribution(
                "Predicted values",
                "What the models predict, over time; scalar predictions only. A band that moves: the inputs or the "
                "model changed.",
                "none",
                buckets(f"sum by (le) ({rate('sluice_prediction_value_bucket', **MINE)})"),
            ),
            graph(
                "Fallback rate",
                "The share of recommendations that were the popular items, because the model does not know the user.",
                "percentunit",
                over_time(
                    f"sum by (model, model_version) ({rate('sluice_recommendation_fallbacks_total', **MINE)}) "
                    f"/ (sum by (model, model_version) ({rate('sluice_prediction_requests_total', **MINE)}) > 0)",
                    "{{model}} v{{model_version}}",
                ),
            ),
            timeline(
                "Versions that answer",
                "Which versions are loaded. A promotion ends one line and begins another.",
                {"1": ("loaded", GOOD)},
                over_time(
                    f"max by (model, model_version) ({series('sluice_model_loaded_info', **MINE)})",
                    "{{model}} v{{model_version}}",
                ),
                links=of_model,
            ),
            bars(
                "Failures",
                "Inputs that the model raised on, and versions that could not be loaded.",
                "short",
                over_time(
                    "sum by (model, model_version) (increase("
                    f"{series('sluice_prediction_failures_total', **MINE)}[$__rate_interval]))",
                    "{{model}} v{{model_version}} predicting",
                ),
                over_time(
                    "sum by (model) (increase("
                    f"{series('sluice_model_load_failures_total', **MINE)}[$__rate_interval]))",
                    "{{model}} loading",
                ),
            ),
        ],
        "Prediction log and feedback": [
            graph(
                "Log lag",
                "Predictions in the spool, not in the document store yet. Rising: the store is away or too slow.",
                "short",
                over_time(f"sum by (instance) ({series('sluice_prediction_log_backlog')})", "{{instance}}"),
                width=8,
            ),
            bars(
                "Predictions lost",
                "Predictions that were answered and will never be in the log, by reason.",
                "short",
                over_time(
                    f"sum by (reason) (increase({series('sluice_prediction_log_lost_total')}[$__rate_interval]))",
                    "{{reason}}",
                ),
                width=8,
            ),
            graph(
                "Feedback",
                "Feedback per second, by what became of it.",
                "reqps",
                over_time(f"sum by (state) ({rate('sluice_feedback_total')})", "{{state}}"),
                width=8,
            ),
        ],
    }


def _variables() -> list[Variable]:
    names = "http_server_.+|sluice_(prediction|model_loaded|recommendation|feedback|registry).*"
    return [*of_metrics(names), model("sluice_model_loaded_info"), *addresses()]


def _annotations() -> list[dict[str, Any]]:
    """Lines across every panel of the page: a version was taken up, a process started."""
    loaded, started = (
        series("sluice_model_loaded_info", **MINE),
        series("process_start_time_seconds", job="sluice-serving"),
    )
    return [
        _annotation(
            "Versions taken up",
            f"{loaded} unless {loaded} offset 2m",
            "{{model}} v{{model_version}}",
            "Serving took up this version.",
            "green",
        ),
        _annotation(
            "Starts of serving",
            f"changes({started}[2m]) > 0",
            "Serving started",
            "{{instance}}: a deployment of the service, or a restart.",
            "orange",
        ),
    ]


def _annotation(name: str, query: str, title: str, text: str, colour: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": PROMETHEUS.to_json(),
        "enable": True,
        "expr": query,
        "iconColor": colour,
        "step": "1m",
        "textFormat": text,
        "titleFormat": title,
    }


PAGE = Page(
    "serving",
    "Sluice / Serving",
    "Does the service answer, how quickly and with which versions; does it keep its service levels.",
    _rows,
    _variables,
    _annotations,
    since="now-1h",
)
