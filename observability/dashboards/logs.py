"""What the processes say. Loki is asked; Prometheus has no part here."""

from grafana_foundation_sdk.builders import tempo
from grafana_foundation_sdk.builders.dashboard import Panel

from observability.dashboards.links import cell
from observability.dashboards.page import Page, Rows
from observability.dashboards.panels import listing, stacked, stream
from observability.dashboards.queries import LOKI, TEMPO, counted, lines, totals
from observability.dashboards.variables import Variable, log_label, source, text

# The labels of `observability.loki_push` and of the Alloy configuration; a test compares them.
VARIABLES = {
    "cluster": "Cluster",
    "env": "Environment",
    "namespace": "Namespace",
    "service_name": "Service",
    "level": "Level",
}
STREAMS = 'cluster=~"$cluster", env=~"$env", namespace=~"$namespace", service_name=~"$service_name"'
CHOSEN = f'{STREAMS}, level=~"$level"'
BAD = f'{STREAMS}, level=~"ERROR|CRITICAL"'
# Ids are structured metadata: they narrow a search, and make no streams. Empty text finds everything.
NARROWED = '| flow_run_id=~"$flow_run_id.*" | trace_id=~"$trace_id.*" | deployment=~"$deployment.*" |~ "(?i)$search"'


def _rows() -> Rows:
    return {
        "How much": [
            stacked(
                "Volume by level",
                "Log lines, by level, of what is chosen above.",
                "short",
                counted(f"sum by (level) (count_over_time({{{CHOSEN}}} {NARROWED} [$__auto]))", "{{level}}"),
                source=LOKI,
            ),
            stacked(
                "Volume by service",
                "Log lines, by the service that wrote them. One that writes much more than before repeats an error, "
                "or was left at DEBUG.",
                "short",
                counted(
                    f"sum by (service_name) (count_over_time({{{CHOSEN}}} {NARROWED} [$__auto]))", "{{service_name}}"
                ),
                source=LOKI,
            ),
            listing(
                "Top errors",
                "The errors of the shown time, by their type and by the logger that told of them.",
                "short",
                totals(
                    "topk(20, sum by (service_name, logger, error_type) (count_over_time("
                    f'{{{BAD}}} {NARROWED} | json logger="logger", error_type="error.type" [$__auto])))'
                ),
                columns={
                    "service_name": "Service",
                    "logger": "Logger",
                    "error_type": "Error",
                    "Value #A": "Lines",
                },
                width=12,
                source=LOKI,
            ),
            listing(
                "Runs with errors",
                "The runs that logged errors in the shown time. The id leads to the run in Prefect's words below.",
                "short",
                totals(
                    "topk(20, sum by (deployment, flow_run_id) (count_over_time("
                    f'{{{BAD}}} {NARROWED} | flow_run_id!="" [$__auto])))'
                ),
                columns={"deployment": "Deployment", "flow_run_id": "Run id", "Value #A": "Lines"},
                width=12,
                links={
                    "flow_run_id": [
                        cell("Its lines", "/d/sluice-logs?${__url_time_range}&var-flow_run_id=${__value.text}")
                    ]
                },
                source=LOKI,
            ),
        ],
        "Lines": [
            stream(
                "Errors",
                "Errors only, whatever level is chosen above. A line opens to its fields; a trace id there leads to "
                "its trace.",
                lines(f"{{{BAD}}} {NARROWED}"),
                height=8,
            ),
            stream(
                "Log",
                "Every line of what is chosen above. A line opens to its fields; a trace id there leads to its trace.",
                lines(f"{{{CHOSEN}}} {NARROWED}"),
            ),
        ],
        "Trace": [
            Panel()
            .type("traces")
            .title("Trace")
            .description("The trace whose id stands above, from Tempo: who called whom, and where the time went.")
            .unit("none")
            .datasource(TEMPO)
            .targets([tempo.TempoQuery().query("$trace_id").query_type("traceql").datasource(TEMPO)])
            .span(24)
            .height(12)
        ],
    }


def _variables() -> list[Variable]:
    return [
        source("loki"),
        source("tempo"),
        *(log_label(name, label) for name, label in VARIABLES.items()),
        text("search", "Search"),
        text("deployment", "Deployment"),
        text("flow_run_id", "Run id"),
        text("trace_id", "Trace id"),
    ]


PAGE = Page(
    "logs",
    "Sluice / Logs",
    "What the processes say: how much at which level, the errors that come most, the lines of a run or of a trace.",
    _rows,
    _variables,
    since="now-1h",
)
