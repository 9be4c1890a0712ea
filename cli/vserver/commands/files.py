"""`vserver files`."""

import typer

from vserver.commands import options
from vserver.commands.output import Output, table


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("files", epilog=options.examples("vserver files --name hospital"))(files)


def files(
    name: options.Name = None,
    config: options.Config = None,
    environment: options.Environment = None,
    user: options.User = False,
    json: options.Json = False,
) -> None:
    """Tell which files a server uses, and where they are."""
    from vserver.commands.instances import driver_of
    from vserver.config.database import SQLITE, sqlite_file, without_password

    output = Output("files", json)
    instance, loaded = options.Selection(name, config, environment, user).find(output.may_ask)
    driver = driver_of(instance, loaded.settings)
    uri = loaded.settings.uri.get_secret_value() if loaded.settings.uri else None
    file = sqlite_file(uri, instance.data_folder) if uri else None
    database = f"{SQLITE}{file}" if file else without_password(uri) if uri else "PostgreSQL of the stack's own"
    data = {
        "configuration": str(instance.configuration),
        "data": str(instance.data_folder),
        "log": str(instance.log_file),
        "database": database,
        "secrets": str(instance.secrets_folder),
        "driver": driver.name if driver else None,
        "driver_files": driver.files() if driver else {},
    }
    rows = [
        ("Configuration file", data["configuration"]),
        ("Data folder", data["data"]),
        ("Log file", data["log"]),
        ("Database", database),
        ("Secrets", data["secrets"]),
        ("Driver", driver.name if driver else "none yet: it has never been started"),
        *(driver.files().items() if driver else ()),
    ]
    output.done(data, table([(f"{label}:", str(value)) for label, value in rows]))
