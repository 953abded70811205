"""MLflow's server in a cluster: its tables are brought up to date, and its accounts are where they are told to be."""

from pathlib import Path

import sqlalchemy

from deployments.cluster.mlflow_server import upgrade


def test_tables_are_made_and_stay(tmp_path: Path) -> None:
    """An empty database gets them; what is in them is still there after the next start."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    upgrade(uri)
    engine = sqlalchemy.create_engine(uri)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("INSERT INTO registered_models (name, workspace) VALUES ('tides', 'default')")
        )
        (version,) = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).one()
    upgrade(uri)
    with engine.begin() as connection:
        assert connection.execute(sqlalchemy.text("SELECT name FROM registered_models")).all() == [("tides",)]
        assert connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).one() == (version,)
    engine.dispose()
