"""Makes the pictures of the README anew: what the demo prints, pages of Prefect's UI, and ours, of real runs.

python docs/pictures.py     on a quiet machine with Debian's chromium; about four minutes
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
_COLUMNS = 96
# Our own pages: the picture's name, the address, and what is there when the page has its data.
CONSOLE = (
    ("run", "runs", "#runs tbody tr"),
    ("tasks", "tasks", "#tasks tbody tr"),
    ("model", "models/diabetes", "#versions tbody tr"),
    ("evaluation", "models/diabetes/evaluation", "#confusion tbody td"),
    ("recommendations", "models/movies/recommendations", "#ranking li"),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sluice-pictures-") as folder:
        env = {**os.environ, "SLUICE_HOME": f"{folder}/.sluice"}
        try:
            printed = _sluice("demo", "--keep", folder=folder, env=env)
            _save_terminal(printed)
            _sluice("run", "diabetes", folder=folder, env=env)
            addresses = dict(
                re.findall(r"export (\w+)=['\"]?([^'\"\n]+)", _sluice("status", "--env", folder=folder, env=env))
            )
            _save_pages(addresses)
        finally:
            _sluice("down", folder=folder, env=env)


def _sluice(*arguments: str, folder: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "deployments.cli", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def _save_terminal(printed: str) -> None:
    console = Console(record=True, width=_COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text(f"$ make demo KEEP=1\n{printed.rstrip()}"))
    drawn = console.export_svg(title="make demo", clear=True)
    # Rich names a font on somebody's server; whoever looks at the picture should not have to ask it.
    drawn = re.sub(r"\s*@font-face \{.*?\}\n", "\n", drawn, flags=re.DOTALL)
    drawn = drawn.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace")
    (IMAGES / "demo.svg").write_text(drawn, encoding="utf-8")


def _save_pages(addresses: dict[str, str]) -> None:
    prefect = addresses["SLUICE_PREFECT__URL"].removesuffix("/api")
    console = f"http://{addresses['SLUICE_SERVING__HOST']}:{addresses['SLUICE_SERVING__PORT']}/console"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        for flow in ("pipeline", "train"):
            _open_run(page, prefect, flow)
            page.screenshot(path=IMAGES / f"{flow}.png")
        for name, path, shown in CONSOLE:
            page.goto(f"{console}/{path}")
            page.locator(shown).first.wait_for()
            if name == "run":
                page.locator(shown).first.get_by_role("link").first.click()
                page.locator("#artifacts section").first.wait_for()
            page.wait_for_timeout(1000)
            page.screenshot(path=IMAGES / f"console-{name}.png")
        browser.close()


def _open_run(page: Page, url: str, flow: str) -> None:
    page.goto(f"{url}/runs")
    page.get_by_role("link", name=f"{flow}-movies", exact=True).first.click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)  # the graph is drawn with an animation


if __name__ == "__main__":
    main()
