"""What people switch on and off, each over any environment."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.helm.chart import Release, render

_EXTERNAL = {"enabled": False, "external": {"existingSecret": "given"}}
# A part that is elsewhere, or is not wanted, or is chosen.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "databases elsewhere": {"postgresql": _EXTERNAL, "mongodb": _EXTERNAL},
    "prefect elsewhere": {"prefect": {"server": {"enabled": False, "externalUrl": "https://prefect.example.org/api"}}},
    "mlflow elsewhere": {"mlflow": {"enabled": False, "externalUrl": "https://mlflow.example.org"}},
    "dask in each run": {"dask": {"enabled": False}},
    "dask elsewhere": {
        "dask": {"enabled": False, "externalAddress": "tcp://d:8786", "externalDashboard": "http://d:8787"}
    },
    "dask per run": {"dask": {"perRun": {"enabled": True}}},
    "runs only": {
        "serving": {"enabled": False},
        "exporter": {"enabled": False},
        "catchUp": {"enabled": False},
        "deploy": {"enabled": False},
        "tests": {"enabled": False},
    },
    "serving only": {
        "prefect": {
            "server": {"enabled": False, "externalUrl": "https://prefect.example.org/api"},
            "worker": {"enabled": False},
        },
        "mlflow": {"enabled": False, "externalUrl": "https://mlflow.example.org"},
        "dask": {"enabled": False},
        "postgresql": _EXTERNAL,
        "deploy": {"enabled": False},
        "tests": {"enabled": False},
    },
    "object store": {
        "storage": {
            "lakeUri": "s3://bucket/lake",
            "artifactsUri": "s3://bucket/artifacts",
            "lakeOptionsSecret": "lake",
            "existingClaim": "results",
        },
        "serviceAccounts": {"flow-run": {"annotations": {"example.com/role": "arn"}}},
    },
    "secrets of a vault": {
        "secrets": {"existingSecret": "platform", "sources": "sources"},
        "secretSettings": {"SLUICE_LOGS__LOKI_AUTH": {"secret": "loki", "key": "auth"}},
        "settings": {"SLUICE_LOGS__LOKI_URL": "http://loki:3100"},
        "imagePullSecrets": [{"name": "registry"}],
    },
    "scaled": {
        "dask": {"worker": {"autoscaling": {"enabled": True}}},
        "serving": {"autoscaling": {"enabled": True, "requestsInFlight": 20}},
        "podDisruptionBudgets": {"enabled": True},
        "resourceQuota": {"enabled": True},
        "limitRange": {"enabled": True},
    },
    "placed": {
        "flows": {
            "nodeSelector": {"pool": "training"},
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "low",
            "gpu": {"nodeSelector": {"pool": "gpu"}},
            "stages": {"features": {"nodeSelector": {"pool": "spot"}, "cpu": 4, "memory": "16Gi"}},
            "useCases": {"movies": {"evaluate": {"gpu": 1}, "features": {"memory": "8Gi"}}},
        },
        "serving": {"nodeSelector": {"pool": "serving"}, "podAnnotations": {"a": "b"}, "priorityClassName": "high"},
    },
    "scaled by keda": {
        "serving": {"autoscaling": {"enabled": True, "engine": "keda", "requestsInFlight": 20, "min": 1}},
    },
    "passwords of a vault": {
        "secrets": {"existingSecret": ""},  # the chart refuses both
        "externalSecrets": {
            "enabled": True,
            "store": {"name": "vault", "kind": "ClusterSecretStore"},
            "entries": {
                "platform": "sluice/lab/platform",
                "postgresql": "sluice/lab/postgresql",
                "mongodb": "sluice/lab/mongodb",
            },
        },
        "postgresql": {"enabled": False},
        "mongodb": {"enabled": False},
    },
    "several prefect servers": {
        "prefect": {"server": {"replicas": 3, "redis": {"existingSecret": "given"}}},
        "podDisruptionBudgets": {"enabled": True},
    },
    "named otherwise": {"fullnameOverride": "ml", "environment": "lab"},
    "by digest": {"images": {"flows": {"digest": "sha256:" + "0" * 64}, "serving": {"tag": "1.2.3"}}},
    "watched": {"monitoring": {"enabled": True, "servingKeySecret": "prometheus"}},
    "gateway": {"ingress": {"enabled": False}, "gateway": {"enabled": True, "parents": [{"name": "public"}]}},
    "open network": {"networkPolicy": {"enabled": False}},
    "https": {"ingress": {"enabled": True, "className": "traefik", "tls": {"enabled": True}}},
}


@cache
def rendered(environment: str, option: str = "as it is") -> Release:
    """Rendered once for all tests, which change nothing of it."""
    return render(environment, OPTIONS[option])
