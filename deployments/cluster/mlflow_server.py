"""``python -m deployments.cluster.mlflow_server``: MLflow's server on PostgreSQL, with accounts.

Its addresses have passwords in them, so they come from the environment: ``MLFLOW_BACKEND_STORE_URI``, and
``MLFLOW_AUTH_DATABASE_URI`` for the accounts. MLflow makes the tables of an empty database itself and refuses one of an
older version, so those are brought up to date before it starts.
"""

import os
import sys

from deployments.local import mlflow_server


def upgrade(uri: str) -> None:
    """Make the tables, or bring them to the installed MLflow's version; a look if nothing is to be done."""
    from mlflow.store.db.utils import _safe_initialize_tables, _upgrade_db, create_sqlalchemy_engine_with_retry

    engine = create_sqlalchemy_engine_with_retry(uri)
    try:
        _safe_initialize_tables(engine)
        _upgrade_db(engine)
    finally:
        engine.dispose()


def main(arguments: list[str]) -> None:
    upgrade(os.environ["MLFLOW_BACKEND_STORE_URI"])
    mlflow_server.main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
