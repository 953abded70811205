"""What the service answers for pages and their files, without a browser."""

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
from httpx import Client

from serving.console.routes import PAGES
from tests.serving.console.models import MEASURED

STATIC = files("serving.console").joinpath("static")
TEMPLATES = files("serving.console").joinpath("templates")
ADDRESSES = [f"/console{path.format(id='1', name='movies')}" for path, _, _ in PAGES]
SCRIPTS = sorted(file.name for file in STATIC.iterdir() if file.name.endswith(".js"))


@pytest.fixture
def client(console: str) -> Iterator[Client]:
    with Client(base_url=console, timeout=30, trust_env=False) as client:
        yield client


def test_the_first_address_leads_to_the_runs(client: Client) -> None:
    """With GET and HEAD, with and without the name of the console."""
    for method in ("GET", "HEAD"):
        for address in ("/", "/console", "/console/"):
            answer = client.request(method, address, follow_redirects=True)
            assert (answer.status_code, answer.url.path) == (200, "/console/runs")


def test_every_page_has_one_heading_a_title_and_its_own_files_only(client: Client) -> None:
    """Nothing of a CDN, no script or style within the page, and whatever it names is there."""
    for address in ADDRESSES:
        page = client.get(address)
        assert page.status_code == 200, address
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.text.count("<h1") == 1
        assert re.search("<title>[^<]+ · Sluice</title>", page.text)
        assert 'aria-current="page"' in page.text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page.text)
        for named in re.findall(r'(?:src|href)="(/console/static/[^"#]+)', page.text):
            assert client.get(named).status_code == 200, named
        assert client.head(address).status_code == 200


def test_a_page_may_do_nothing_but_what_it_is_for(client: Client) -> None:
    """Its policy has neither inline programs nor other machines; it is not kept, and its files are for a year."""
    page = client.get("/console/runs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers.get_list("content-security-policy") == [policy]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    script = re.search(r'src="([^"]+runs\.js)"', page.text)
    assert script is not None
    answer = client.get(script[1])
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


def test_a_page_of_an_older_service_gets_todays_files(client: Client) -> None:
    """While a new version is rolled out; but not to keep. What is no file of ours is not found."""
    answer = client.get("/console/static/000000000000/dom.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    for name in ("nothing.js", "..%2Froutes.py", "../templates/runs.html", ""):
        assert client.get(f"/console/static/000000000000/{name}").status_code == 404


def test_what_is_no_page_says_so(client: Client) -> None:
    """As a page, and with the status."""
    answer = client.get("/console/nothing/here")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_names_in_an_address_do_not_become_markup(client: Client) -> None:
    """Pages are the same whatever they are about; titles come from scripts, as text."""
    assert "alert(1)" not in client.get("/console/models/%3Cscript%3Ealert(1)").text


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_imports_is_there(name: str) -> None:
    """A misspelt import would leave a page empty; and no script writes HTML or loads code."""
    text = STATIC.joinpath(name).read_text()
    for wanted, module in re.findall(r"import \{([^}]+)\} from \"\./([a-z_]+\.js)\"", text):
        exported = STATIC.joinpath(module).read_text()
        for one in wanted.split(","):
            first = one.split(" as ")[0].strip()
            assert re.search(rf"export (async )?(const|function|class) {first}\b", exported), (module, first)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://[a-z]", text
    )


@pytest.mark.parametrize("name", [template for _, template, _ in PAGES])
def test_a_page_has_what_its_script_looks_for(name: str) -> None:
    """By id, in the template with what it includes."""
    script, template = STATIC.joinpath(f"{name}.js").read_text(), TEMPLATES.joinpath(f"{name}.html").read_text()
    whole = template + TEMPLATES.joinpath("layout.html").read_text()
    for included in re.findall(r'include "([a-z_]+\.html)"', template):
        whole += TEMPLATES.joinpath(included).read_text()
    ids = re.findall(r'\sid="([a-z-]+)"', whole)
    assert set(re.findall(r'find\("([a-z-]+)"\)', script)) <= set(ids)
    assert set(re.findall(r'for="([a-z-]+)"', whole)) <= set(ids)
    labelled = {id for ids in re.findall(r'aria-labelledby="([^"]+)"', whole) for id in ids.split()}
    assert labelled <= set(ids)


def test_the_form_of_a_model_has_its_signature_and_example(client: Client) -> None:
    """What a page makes fields of; a model that nobody has is not found."""
    form = client.get("/console/forms/diabetes").json()
    assert [(one["name"], one["kind"], one["required"], one["example"]) for one in form["inputs"]] == [
        (name, "number", True, value) for name, value in MEASURED.items()
    ]
    assert (form["recommends"], form["catalogue"], form["genres"]) == (False, False, [])
    movies = client.get("/console/forms/movies").json()
    assert (movies["recommends"], movies["catalogue"], movies["genres"][0]) == (True, True, "Adventure")
    assert [one["kind"] for one in movies["inputs"]] == ["integer"]
    assert client.get("/console/forms/nobody").status_code == 404
