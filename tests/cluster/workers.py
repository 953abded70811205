"""What the Dask workers' pods do now, by their own metrics."""

import httpx

from tests.cluster.platform import Platform


def busy(platform: Platform) -> list[str]:
    """Those that compute something."""
    names = [pod["metadata"]["name"] for pod in platform.kubectl.pods("dask-worker")]
    return [name for name in names if _computes(platform, name)]


def _computes(platform: Platform, pod: str) -> bool:
    with platform.kubectl.forward(f"pod/{pod}", 8790) as address:
        page = httpx.get(f"{address}/metrics", timeout=10, trust_env=False, follow_redirects=True).text
    lines = [line for line in page.splitlines() if line.startswith('dask_worker_tasks{state="executing"}')]
    return any(float(line.split()[-1]) for line in lines)
