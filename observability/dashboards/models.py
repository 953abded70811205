"""Which versions are in use, how good they are, and whether the world moved away from them."""

from observability.dashboards.links import cell, link, page
from observability.dashboards.page import Page, Rows
from observability.dashboards.panels import BAD, GOOD, WARNING, bars, graph, listing, ranking, squares
from observability.dashboards.queries import now, over_time, rows, series
from observability.dashboards.variables import Variable, addresses, model, of_metrics

MINE = {"model": "~$model"}


def _mine(name: str, **more: str) -> str:
    return series(name, **MINE, **more)


def _age(by: str) -> str:
    return f"time() - max by ({by}) ({_mine('sluice_model_trained_timestamp_seconds')})"


def _rows() -> Rows:
    of_model = (link("In MLflow", "${mlflow_url}/#/models/${__field.labels.model}"),)
    return {
        "Versions": [
            listing(
                "Aliases",
                "Which version each alias names, and how long ago it was trained. The version leads to MLflow.",
                "none",
                rows(f"max by (model, alias) ({_mine('sluice_model_version')})"),
                rows(_age("model, alias")),
                columns={"model": "Model", "alias": "Alias", "Value #A": "Version", "Value #B": "Age"},
                width=14,
                links={
                    "Value #A": [
                        cell("In MLflow", "${mlflow_url}/#/models/${__data.fields.Model}/versions/${__value.raw}")
                    ],
                    "model": [cell("Serving", page("serving", model="${__value.text}"))],
                },
                units={"Value #B": "s"},
            ),
            ranking(
                "Age, of what is allowed",
                "The champion's age, divided by the greatest that its use case allows (`monitor.max_age`). Above 1 it "
                "is stale.",
                "percentunit",
                now(
                    f"(time() - max by (model) ({_mine('sluice_model_trained_timestamp_seconds', alias='champion')}))"
                    f" / max by (model) ({_mine('sluice_model_max_age_seconds')})",
                    "{{model}}",
                ),
                bounds=((None, GOOD), (0.8, WARNING), (1.0, BAD)),
                width=10,
            ),
            graph(
                "Versions over time",
                "The number of the version that each alias names. A step up is a promotion, a step down a rollback.",
                "none",
                over_time(f"max by (model, alias) ({_mine('sluice_model_version')})", "{{model}} {{alias}}"),
                links=of_model,
            ),
            graph(
                "Quality over time",
                "The metrics of the evaluation on held-out rows, of the version that each alias names.",
                "none",
                over_time(
                    f"max by (model, alias, metric) ({_mine('sluice_model_quality')})",
                    "{{model}} {{alias}} {{metric}}",
                ),
                links=of_model,
            ),
        ],
        "Drift": [
            squares(
                "Drift by feature",
                "How far the inputs of the logged predictions are from the rows the champion was trained on: the "
                "population stability index, of the features that moved most and of the prediction itself. From 0.1 "
                "look at it, from 0.2 the model sees another world.",
                "none",
                over_time(
                    f"max by (model, feature) ({_mine('sluice_drift_score')})",
                    "{{model}} {{feature}}",
                ),
                bounds=((None, GOOD), (0.1, "yellow"), (0.2, WARNING), (0.5, BAD)),
            ),
            graph(
                "Drift against its threshold",
                "The highest score of a feature, and the score at which the use case calls it drift.",
                "none",
                over_time(f"max by (model) ({_mine('sluice_drift_score')})", "{{model}} highest"),
                over_time(f"max by (model) ({_mine('sluice_drift_threshold')})", "{{model}} threshold"),
                width=8,
            ),
            graph(
                "Predictions compared",
                "How many logged predictions the scores are computed from. With few of them they jump.",
                "short",
                over_time(f"max by (model) ({_mine('sluice_drift_samples')})", "{{model}}"),
                width=8,
            ),
            graph(
                "Monitor last ran",
                "Since the monitor of each model last succeeded. Without it the numbers of this page stand still.",
                "s",
                over_time(
                    f"time() - max by (model) ({_mine('sluice_monitor_last_success_timestamp_seconds')})",
                    "{{model}}",
                ),
                width=8,
            ),
        ],
        "Champion against challenger": [
            graph(
                "Live quality",
                "Quality on predictions whose outcome came back as feedback, and the least that the use case accepts.",
                "none",
                over_time(
                    f"max by (model, alias, metric) ({_mine('sluice_live_quality')})",
                    "{{model}} {{alias}} {{metric}}",
                ),
                over_time(
                    f"max by (model, metric) ({_mine('sluice_live_quality_floor')})",
                    "{{model}} floor of {{metric}}",
                ),
            ),
            graph(
                "Outcomes it rests on",
                "How many outcomes came back, by model and alias. The challenger is compared only when both have "
                "enough.",
                "short",
                over_time(
                    f"max by (model, alias) ({_mine('sluice_live_quality_samples')})",
                    "{{model}} {{alias}}",
                ),
            ),
            graph(
                "Challenger's lead",
                "The challenger's live quality minus the champion's, turned so that above 0 is better.",
                "none",
                over_time(
                    f"max by (model, metric) ({_mine('sluice_challenger_lead')})",
                    "{{model}} {{metric}}",
                ),
                width=24,
                links=of_model,
            ).min(None),  # type: ignore[arg-type]
        ],
        "What it is worth": [
            graph(
                "Acceptance",
                "Of the predictions with feedback, the share that was accepted: clicked, watched, confirmed.",
                "percentunit",
                over_time(f"max by (model) ({_mine('sluice_feedback_acceptance_ratio')})", "{{model}}"),
            ),
            graph(
                "Revenue per recommendation",
                "In the currency of the use case, where it gives a value.",
                "none",
                over_time(f"max by (model) ({_mine('sluice_recommendation_revenue')})", "{{model}}"),
            ),
            bars(
                "Predictions by model",
                "Answered predictions, by model.",
                "short",
                over_time(
                    f"sum by (model) (increase({_mine('sluice_prediction_requests_total', code='2xx')}"
                    "[$__rate_interval]))",
                    "{{model}}",
                ),
            ),
            ranking(
                "Features' age, of what is allowed",
                "Since the newest row of each feature set, divided by the greatest age that its use case allows.",
                "percentunit",
                now(
                    "(time() - max by (feature_set) "
                    f"({series('sluice_feature_latest_timestamp_seconds')})) / max by (feature_set) "
                    f"({series('sluice_feature_max_age_seconds')})",
                    "{{feature_set}}",
                ),
                bounds=((None, GOOD), (0.8, WARNING), (1.0, BAD)),
            ),
        ],
    }


def _variables() -> list[Variable]:
    names = "sluice_(model|drift|live_quality|challenger|feedback|recommendation|monitor|feature|prediction).*"
    return [*of_metrics(names), model("sluice_model_version"), *addresses()]


PAGE = Page(
    "models",
    "Sluice / Models",
    "Which versions are in use, how good and how old they are, whether the inputs drift, and what they are worth.",
    _rows,
    _variables,
    since="now-7d",
)
