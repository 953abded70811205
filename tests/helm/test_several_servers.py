"""Prefect's server in several pods: all that one keeps to itself is in PostgreSQL and Redis."""

from typing import Any

from prefect.settings import Settings

from tests.helm.chart import component
from tests.helm.options import rendered

OPTION = "several prefect servers"


def container() -> dict[str, Any]:
    pod = rendered("dev", OPTION).one("StatefulSet", "prefect-server")["spec"]["template"]
    (found,) = pod["spec"]["containers"]
    return dict(found)


def test_they_start_one_after_the_other() -> None:
    """The first one migrates the database; with all at once two would, at the same time."""
    release = rendered("dev", OPTION)
    server = release.one("StatefulSet", "prefect-server")["spec"]
    assert server["replicas"] == 3
    assert server["podManagementPolicy"] == "OrderedReady"
    assert release.has("Service", server["serviceName"].removeprefix("sluice-"))
    assert not release.has("Deployment", "prefect-server")


def test_nothing_is_kept_in_a_pod() -> None:
    """No volume that only one could have."""
    release = rendered("dev", OPTION)
    assert not release.has("PersistentVolumeClaim", "prefect-server")
    spec = release.one("StatefulSet", "prefect-server")["spec"]
    assert "volumeClaimTemplates" not in spec
    assert not any("persistentVolumeClaim" in volume for volume in spec["template"]["spec"]["volumes"])


def test_prefect_takes_redis_for_all_of_it(monkeypatch: Any) -> None:
    """Broker, cache, order of events, leases, the docket and the workers' clean-up: by Prefect's own settings."""
    import prefect_redis.cleanup_queue
    import prefect_redis.client
    import prefect_redis.lease_storage
    import prefect_redis.messaging
    import prefect_redis.ordering

    address = "redis://:secret@redis.example.org:6379/0"
    for one in container()["env"]:
        if one["name"].startswith(("PREFECT_SERVER_", "PREFECT_REDIS_")):
            monkeypatch.setenv(one["name"], one.get("value", address if "secretKeyRef" in str(one) else ""))
    monkeypatch.delenv("PREFECT_SERVER_DATABASE_CONNECTION_URL")
    server = Settings().server
    assert server.events.messaging_broker == server.events.messaging_cache == prefect_redis.messaging.__name__
    assert server.events.causal_ordering == prefect_redis.ordering.__name__
    assert server.concurrency.lease_storage == prefect_redis.lease_storage.__name__
    assert server.worker_channel.cleanup_queue_storage == prefect_redis.cleanup_queue.__name__
    assert server.docket.url == address
    assert prefect_redis.cleanup_queue.RedisWorkerCleanupQueueSettings().url == address
    assert prefect_redis.client.RedisMessagingSettings().url == address


def test_its_address_is_a_reference() -> None:
    """The password of Redis is in its address, so both come from the Secret that was named."""
    references = {one["name"]: one["valueFrom"] for one in container()["env"] if "valueFrom" in one}
    for name in ("PREFECT_REDIS_MESSAGING_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL", "PREFECT_SERVER_DOCKET_URL"):
        assert references[name] == {"secretKeyRef": {"name": "given", "key": "url"}}


def test_one_server_asks_no_redis() -> None:
    """The usual installation needs none, and its server may not leave the cluster for one."""
    one = rendered("dev").one("Deployment", "prefect-server")["spec"]["template"]["spec"]["containers"][0]
    assert not any("redis" in str(variable) for variable in one["env"])


def test_a_node_can_be_drained() -> None:
    """Of several one may be away; of one none can be spared, so that it has no budget."""
    budgets = {component(one) for one in rendered("dev", OPTION).of("PodDisruptionBudget")}
    assert budgets - {component(one) for one in rendered("dev", "scaled").of("PodDisruptionBudget")} == {
        "prefect-server"
    }


def test_redis_is_reached_by_the_server_alone() -> None:
    """The policies open its port for the pods that ask it."""
    opened = {
        component(policy)
        for policy in rendered("dev", OPTION).of("NetworkPolicy")
        for rule in policy["spec"].get("egress") or []
        if 6379 in [port["port"] for port in rule["ports"]]
    }
    assert opened == {"prefect-server"}
