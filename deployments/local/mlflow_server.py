"""MLflow's server with its basic authentication: ``python -m deployments.local.mlflow_server``, and MLflow's options.

MLflow takes the administrator's name and password once, when its table of users is empty. Here the settings go on to
count: who changes the password there and starts the stack again has a new one. The users are in a database of their
own beside MLflow's, or where ``MLFLOW_AUTH_DATABASE_URI`` says.
"""

import os
import secrets
import sys
from pathlib import Path

from sluice.settings import Settings

# What an account may do with experiments and models of others, unless it is told otherwise.
_DEFAULT_PERMISSION = "READ"


def main(arguments: list[str]) -> None:
    settings = Settings.load()
    username, password = settings.mlflow.username, settings.mlflow.password.get_secret_value()
    os.umask(0o077)  # the databases are this user's only
    database = os.environ.get("MLFLOW_AUTH_DATABASE_URI") or f"sqlite:///{settings.home / 'mlflow' / 'users.db'}"
    os.environ |= {
        "MLFLOW_AUTH_CONFIG_PATH": str(_configuration(settings.home / "mlflow", database)),
        "MLFLOW_AUTH_ADMIN_USERNAME": username,
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        # It signs the form that makes a user. It may be another one after a restart; replicas have to share one.
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY") or secrets.token_hex(32),
    }
    _set_administrator(database, username, password)
    from mlflow.cli import cli

    cli(["server", *arguments, "--app-name", "basic-auth"], prog_name="mlflow")


def _configuration(folder: Path, database: str) -> Path:
    """MLflow's file; a password only if the database has one. A per cent sign would begin an expression there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "basic_auth.ini"
    path.write_text(
        "[mlflow]\n"
        f"default_permission = {_DEFAULT_PERMISSION}\n"
        f"database_uri = {database.replace('%', '%%')}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        # Otherwise every request pays for the hash of its password, which is meant to be slow. One process serves, so
        # a password that is changed over MLflow's own interface counts at once all the same.
        "auth_cache_ttl_seconds = 60\n",
        encoding="utf-8",
    )
    return path


def _set_administrator(database: str, username: str, password: str) -> None:
    from mlflow.server.auth import store

    store.init_db(database)
    if not store.has_user(username):
        return  # MLflow makes it
    if not store.authenticate_user(username, password):
        store.update_user(username, password=password)
    if not store.get_user(username).is_admin:
        store.update_user(username, is_admin=True)


if __name__ == "__main__":
    main(sys.argv[1:])
