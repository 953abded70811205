"""`sluice keys`: who may call the service, and for what."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sluice.api_keys import ApiKey, ApiKeys, NewSecret
    from sluice.settings import Settings

Key = Annotated[str, typer.Argument(help="Its name or id; sluice keys list shows them.", metavar="KEY")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]

keys = typer.Typer(no_args_is_help=True, help="Make and end the API keys that callers of the service send.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(keys, name="keys", rich_help_panel="Models")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will hold it; predictions are logged with it.", metavar="NAME")],
    scope: Annotated[
        str, typer.Option(help="predict; operate, which may predict too; admin, which may do all.", metavar="SCOPE")
    ] = "predict",
    expires: Annotated[
        str, typer.Option(help="After how long: 12h, 90d, 4w. Never, if not given.", metavar="LENGTH")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key. Its text is shown this once; only a hash of it is kept.

    [bold]Examples[/bold]

      sluice keys create web-shop --expires 90d
      sluice keys create release-bot --scope operate --json | jq -r .key
    """
    import getpass

    from sluice.api_keys import lifetime_of

    lifetime = lifetime_of(expires) if expires else None
    # Whatever was typed as a scope: the kernel refuses it and names those there are.
    made = _open().create(name, scope, by=getpass.getuser(), lifetime=lifetime)  # type: ignore[arg-type]
    _print_secret(made, as_json)


@keys.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Those that have expired or were revoked too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys with what they may do. Times are in UTC, the last use up to an hour old.

    [bold]Examples[/bold]

      sluice keys list
      sluice keys list --all --json | jq -r '.[] | select(.used == null).name'
    """
    from deployments.terminal import console, print_json, titled_table

    found = _open().listed(ended=everything)
    if as_json:
        print_json([_shown(key) for key in found])
        return
    if not found:
        console.print("There is no API key yet. Make one: sluice keys create NAME")
        return
    table = titled_table("id", "name", "scope", "state", "made", "by", "expires", "last used")
    for key in found:
        times = [f"{at:%Y-%m-%d %H:%M}" if at else "never" for at in (key.made, key.expires, key.used)]
        table.add_row(key.id, key.name, key.scope, key.state, times[0], key.by, times[1], times[2])
    console.print(table, markup=False)


@keys.command()
def rotate(
    key: Key,
    grace: Annotated[
        str, typer.Option(help="How long the old text goes on: 12h, 7d. 0h when it has leaked.", metavar="LENGTH")
    ] = "1d",
    as_json: AsJson = False,
) -> None:
    """Give a key a new text. The old one goes on for a while, so that nobody is shut out.

    Rotated once more within that time, the oldest ends at once.

    [bold]Examples[/bold]

      sluice keys rotate web-shop
      sluice keys rotate web-shop --grace 0h
    """
    from deployments.terminal import console
    from sluice.api_keys import lifetime_of

    _print_secret(_open().rotate(key, grace=lifetime_of(grace, "grace")), as_json)
    if not as_json:
        console.print(f"The one before it goes on for {grace}.")


@keys.command()
def revoke(key: Key, as_json: AsJson = False) -> None:
    """End a key for good. The service follows within seconds.

    [bold]Example[/bold]

      sluice keys revoke web-shop
    """
    from deployments.terminal import console, print_json

    ended = _open().revoke(key)
    if as_json:
        print_json(_shown(ended))
        return
    seconds = _settings().serving.keys_refresh_seconds
    console.print(f"{ended.name} ({ended.id}) is revoked; the service stops taking it within {seconds:g} s.")


def _open() -> "ApiKeys":
    from sluice.api_keys import ApiKeys
    from sluice.documents import open_documents

    return ApiKeys(open_documents(_settings()))


def _settings() -> "Settings":
    from deployments.local.record import current_stack

    return current_stack()[1]


def _shown(key: "ApiKey") -> dict[str, object]:
    return key.model_dump(mode="json") | {"state": key.state}


def _print_secret(made: "NewSecret", as_json: bool) -> None:
    from deployments.terminal import console, errors, print_json

    if as_json:
        print_json(_shown(made.key) | {"key": made.text})
        return
    until = f"until {made.key.expires:%Y-%m-%d %H:%M} UTC" if made.key.expires else "until it is revoked"
    console.print(f"{made.key.name} ({made.key.id}) may {made.key.scope} {until}. Its key is shown this once:")
    console.print(made.text, soft_wrap=True)
    serving = _settings().serving
    if not serving.auth_required:
        errors.print(
            f"The service asks for no key while it listens on {serving.host} only. It does with "
            "SLUICE_SERVING__AUTH=required",
            soft_wrap=True,
        )
