"""``python -m observability.dashboards [--check]``: writes the JSON of every dashboard, or says which file is stale."""

import sys
from pathlib import Path

from observability.dashboards import dask, flows, logs, models, overview, serving

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"
PAGES = (overview.PAGE, flows.PAGE, dask.PAGE, serving.PAGE, models.PAGE, logs.PAGE)


def rendered() -> dict[str, str]:
    """File name to content, of every dashboard."""
    return {f"{page.name}.json": page.render() for page in PAGES}


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of files that are missing, differ, or that no dashboard makes."""
    wanted = rendered()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def main() -> None:
    if "--check" in sys.argv[1:]:
        if names := stale():
            sys.exit(f"Not what the code makes: {', '.join(names)}. Run: python -m observability.dashboards")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = rendered()
    for path in FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
