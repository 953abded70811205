"""GET /recommendations/{user_id}."""

import pytest

from tests.serving.conftest import Service


def test_known_user_gets_items_with_titles_and_the_version_that_chose_them(service: Service) -> None:
    """The answer carries items best first, whether the user is known, and who answered."""
    with service() as client:
        answer = client.get("/recommendations/1?k=3")
    assert answer.status_code == 200
    assert answer.json() == {
        "prediction_id": answer.json()["prediction_id"],
        "model": "movies",
        "version": "1",
        "user_id": 1,
        "known": True,
        "items": [
            {"item_id": 1, "title": "first item 1", "score": 1.0},
            {"item_id": 2, "title": "first item 2", "score": 0.5},
            {"item_id": 3, "title": "first item 3", "score": pytest.approx(1 / 3)},
        ],
    }


def test_unknown_user_gets_items_too(service: Service) -> None:
    """Nobody goes without: the model falls back and says so."""
    with service() as client:
        answer = client.get("/recommendations/999999999")
    assert answer.status_code == 200
    assert answer.json()["known"] is False
    assert len(answer.json()["items"]) == 10


@pytest.mark.parametrize("k", ["0", "-1", "1001", "ten", "1.5", "", "1e400", "9" * 5000])
def test_k_out_of_bounds_is_named(service: Service, k: str) -> None:
    """A wrong k is a 422 whose errors name k."""
    with service() as client:
        answer = client.get("/recommendations/1", params={"k": k})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["k"]


@pytest.mark.parametrize("user", ["abc", "1.5", str(2**63), "-" + "9" * 30, "\uff11", "1_0", "%00", "9" * 300])
def test_user_id_of_another_type_is_named(service: Service, user: str) -> None:
    """A user id that the model's signature has no room for is a 422 that names it."""
    with service() as client:
        answer = client.get(f"/recommendations/{user}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["user_id"]


@pytest.mark.parametrize("user", [-1, 0, 2**63 - 1, -(2**63)])
def test_any_64_bit_user_id_is_answered(service: Service, user: int) -> None:
    """The whole range of the signature's type is valid input."""
    with service() as client:
        answer = client.get(f"/recommendations/{user}")
    assert answer.status_code == 200
    assert answer.json()["user_id"] == user


def test_model_that_recommends_nothing_is_a_client_error(service: Service) -> None:
    """Asking another kind of model for recommendations names the parameter that chose it."""
    with service() as client:
        answer = client.get("/recommendations/1?model=numbers")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "model"


@pytest.mark.parametrize("name", ["nobody", "x" * 5000, "a:b", "\x00", "ümläut", "a/../b", " "])
def test_unknown_model_is_a_problem_document(service: Service, name: str) -> None:
    """A model that does not exist, or could not, is a 404 in RFC 9457 form."""
    with service() as client:
        answer = client.get("/recommendations/1", params={"model": name})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:sluice:problem:model-not-found"
    assert problem["status"] == 404
    assert problem["instance"] == "/recommendations/1"
    assert problem["detail"]
