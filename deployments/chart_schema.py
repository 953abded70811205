"""``values.schema.json`` of the chart, closed: a value that nobody reads is refused by its name, and so is a wrong one.

Written by `deployments.chart_files`. What a value is for stands in ``values.yaml``.
"""

from typing import Any, get_args

from sluice.use_case import Flow

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_LABELS: Schema = {**_TEXTS, "minProperties": 1}
_VARIABLE: Schema = {"pattern": "^[A-Z_][A-Z0-9_]*$"}
_PATH: Schema = {"type": "string", "pattern": "^/[a-z0-9/_-]+$"}
COMPONENTS = (
    *("prefect-server", "prefect-worker", "postgresql", "mongodb", "mlflow", "dask-scheduler", "dask-worker"),
    *("dask-janitor", "serving", "exporter", "catch-up", "flow-run", "deploy", "test", "sweep"),
)


def _closed(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _choice(*values: str) -> Schema:
    return {"enum": list(values)}


def _number(least: int = 0, most: int | None = None) -> Schema:
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})?$"}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _named(definition: str) -> Schema:
    return {"$ref": f"#/definitions/{definition}"}


_QUANTITIES: Schema = {"type": "object", "additionalProperties": _named("quantity")}
_CIDRS = {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$"}
_PORTS = _number(1, 65535)
# Where the pods of a component run.
_PLACE = {name: _named(name) for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName")}
_POD = {"resources": _named("resources"), "podAnnotations": _TEXTS, **_PLACE}
_AUTOSCALING = {
    "enabled": _FLAG,
    "min": _number(1),
    "max": _number(1),
    "cpuPercent": _number(1, 100),
    # Kubernetes takes an hour at most.
    "scaleDownSeconds": _number(0, 3600),
}

_DEFINITIONS: dict[str, Schema] = {
    "name": _text("[a-z0-9]([-a-z0-9.]*[a-z0-9])?"),
    "url": _text("https?://.+"),
    "s3": _text("s3://.+"),
    "quantity": {"type": ["string", "number"], "pattern": "^[0-9.]+([eE][0-9]+|m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$"},
    "size": {"type": "string", "pattern": "^[0-9]+(Mi|Gi|Ti)$"},
    "nodeSelector": _TEXTS,
    "priorityClassName": _named("name"),
    "tolerations": _list(
        _closed(
            key=_TEXT,
            operator=_choice("Exists", "Equal"),
            value=_TEXT,
            effect=_choice("NoSchedule", "PreferNoSchedule", "NoExecute"),
            tolerationSeconds=_number(),
        )
    ),
    # The rest is Kubernetes' own, and validated by it.
    "affinity": _closed(
        nodeAffinity={"type": "object"}, podAffinity={"type": "object"}, podAntiAffinity={"type": "object"}
    ),
    "resources": _closed(requests=_QUANTITIES, limits=_QUANTITIES),
    "image": _closed(
        repository={"type": "string", "minLength": 1},
        tag={**_text("[A-Za-z0-9._-]+"), "not": {"const": "latest"}},
        digest=_text("sha256:[0-9a-f]{64}"),
        pullPolicy=_choice("Always", "IfNotPresent", "Never"),
    ),
    "volume": _closed(
        accessModes=_list(_choice("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"), minItems=1),
        storageClass=_named("name"),
        size=_named("size"),
    ),
    "place": _closed(
        nodeSelector=_named("nodeSelector"),
        tolerations=_named("tolerations"),
        cpu=_named("quantity"),
        memory={"type": "string", "pattern": "^[0-9]+(Mi|Gi|Ti)$"},
        gpu=_number(),
    ),
    "addresses": _closed(cidrs=_list(_CIDRS, minItems=1), **{"except": _list(_CIDRS)}, ports=_list(_PORTS, minItems=1)),
}


def _database(**more: Schema) -> Schema:
    external = _closed(existingSecret=_named("name"))
    return _closed(
        enabled=_FLAG, existingSecret=_named("name"), external=external, volume=_named("volume"), **more, **_POD
    )


def _network() -> Schema:
    elsewhere = ("kubernetesApi", "sources", "objectStore", "prefect", "mlflow", "postgresql", "mongodb", "redis")
    return _closed(
        enabled=_FLAG,
        dns=_closed(namespaceLabels=_LABELS, port=_PORTS),
        ingressController=_closed(namespaceLabels=_LABELS, cidrs=_list(_CIDRS)),
        daskOperator=_closed(namespaceLabels=_LABELS),
        monitoring=_closed(namespaceLabels=_LABELS, ports=_list(_PORTS)),
        **{name: _named("addresses") for name in elsewhere},
    )


def _prefect() -> Schema:
    server = _closed(
        enabled=_FLAG,
        externalUrl=_text("https?://.+/api"),
        replicas=_number(1),
        redis=_closed(existingSecret=_named("name")),
        volume=_named("volume"),
        **_POD,
    )
    worker = _closed(enabled=_FLAG, pool=_named("name"), replicas=_number(), **_POD)
    return _closed(server=server, worker=worker)


def _flows() -> Schema:
    flow: Schema = {"enum": list(get_args(Flow))}
    stages: Schema = {"type": "object", "propertyNames": flow, "additionalProperties": _named("place")}
    name: Schema = {"pattern": "^[a-z][a-z0-9_]*$"}
    return _closed(
        finishedJobTtl=_number(),
        podWatchTimeout=_number(60),
        **_PLACE,
        gpu=_closed(nodeSelector=_named("nodeSelector"), tolerations=_named("tolerations")),
        stages=stages,
        useCases={"type": "object", "propertyNames": name, "additionalProperties": stages},
    )


def _external_secrets() -> Schema:
    return _closed(
        enabled=_FLAG,
        store=_closed(name=_named("name"), kind=_choice("SecretStore", "ClusterSecretStore")),
        refreshInterval={"type": "string", "pattern": "^([0-9]+(s|m|h))+$"},
        entries=_closed(**dict.fromkeys(("platform", "postgresql", "mongodb"), _TEXT)),
    )


def _dask() -> Schema:
    worker = {"replicas": _number(), "threads": _number(1), "autoscaling": _closed(**_AUTOSCALING)}
    cron: Schema = {"type": "string", "pattern": r"^(\S+ ){4}\S+$"}
    per_run = _closed(
        enabled=_FLAG,
        startSeconds=_number(1),
        # 0 would be never, to the operator.
        idleSeconds=_number(1),
        janitor=_closed(schedule=cron, **_POD),
    )
    return _closed(
        enabled=_FLAG,
        perRun=per_run,
        externalAddress=_text("(tcp|tls)://.+:[0-9]+"),
        externalDashboard=_named("url"),
        ui=_named("url"),
        scheduler=_closed(**_POD),
        worker=_closed(**worker, scratch=_closed(size=_named("size")), **_POD),
    )


def _serving() -> Schema:
    return _closed(
        enabled=_FLAG,
        replicas=_number(),
        public=_list(_choice("metrics", "docs"), uniqueItems=True),
        models=_list(_TEXT),
        required=_list(_TEXT),
        autoscaling=_closed(
            **_AUTOSCALING,
            engine=_choice("hpa", "keda"),
            prometheusUrl=_named("url"),
            requestsInFlight=_number(),
        ),
        scratch=_closed(size=_named("size")),
        **_POD,
    )


def _properties() -> dict[str, Schema]:
    keeps = _choice("data", "prefect-server", "postgresql", "mongodb")
    given: Schema = {"type": "string", "minLength": 1}
    reference = _closed(secret=given, key=given)
    hosts = {page: _named("name") for page in ("serving", "prefect", "mlflow")}
    return {
        "fullnameOverride": _named("name"),
        "environment": {"type": "string", "pattern": "^[a-z0-9][-a-z0-9]*$"},
        "logLevel": _choice("TRACE", "DEBUG", "INFO", "WARNING", "ERROR"),
        "clusterDomain": _named("name"),
        "home": _PATH,
        "imagePullSecrets": _list(_closed(name=_named("name"))),
        "images": _closed(**{image: _named("image") for image in ("flows", "serving", "postgresql", "mongodb")}),
        "settings": {**_TEXTS, "propertyNames": _VARIABLE},
        "secretSettings": {
            "type": "object",
            "propertyNames": _VARIABLE,
            "additionalProperties": {**reference, "required": ["secret", "key"]},
        },
        "secrets": _closed(existingSecret=_named("name"), sources=_named("name")),
        "externalSecrets": _external_secrets(),
        "serviceAccounts": _closed(**{component: _closed(annotations=_TEXTS) for component in COMPONENTS}),
        "storage": _closed(
            existingClaim=_named("name"),
            mountPath=_PATH,
            volume=_named("volume"),
            lakeUri=_named("s3"),
            artifactsUri=_named("s3"),
            lakeOptionsSecret=_named("name"),
        ),
        "persistence": _closed(keep=_list(keeps, uniqueItems=True)),
        "prefect": _prefect(),
        "flows": _flows(),
        "postgresql": _database(),
        "mongodb": _database(database=_text("[A-Za-z0-9_-]+"), cacheGb={"type": "number", "minimum": 0.25}),
        "mlflow": _closed(enabled=_FLAG, externalUrl=_named("url"), allowedHosts=_list(_named("name")), **_POD),
        "dask": _dask(),
        "serving": _serving(),
        "exporter": _closed(enabled=_FLAG, **_POD),
        "catchUp": _closed(enabled=_FLAG, **_POD),
        "deploy": _closed(enabled=_FLAG, **_POD),
        "tests": _closed(
            enabled=_FLAG,
            useCase={"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
            inputs={"type": "object", "additionalProperties": {"type": ["number", "string", "boolean"]}},
            **_POD,
        ),
        "ingress": _closed(
            enabled=_FLAG,
            className=_named("name"),
            annotations=_TEXTS,
            hosts=_closed(**hosts),
            tls=_closed(enabled=_FLAG, secretName=_named("name")),
        ),
        "gateway": _closed(
            enabled=_FLAG,
            parents=_list(_closed(name=_named("name"), namespace=_named("name"), sectionName=_named("name"))),
            https=_FLAG,
        ),
        "networkPolicy": _network(),
        "podDisruptionBudgets": _closed(enabled=_FLAG),
        "resourceQuota": _closed(enabled=_FLAG, hard=_QUANTITIES),
        "limitRange": _closed(enabled=_FLAG, defaultRequest=_QUANTITIES, default=_QUANTITIES),
        "monitoring": _closed(
            enabled=_FLAG,
            serviceMonitors=_FLAG,
            rules=_FLAG,
            dashboards=_FLAG,
            labels=_TEXTS,
            dashboardLabels=_TEXTS,
            scrapeSeconds=_number(1),
            servingKeySecret=_named("name"),
        ),
        # Helm gives it to every chart.
        "global": {"type": "object"},
    }


def schema() -> Schema:
    """The whole document."""
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart sluice"}
    return {**head, **_closed(**_properties()), "definitions": _DEFINITIONS}
