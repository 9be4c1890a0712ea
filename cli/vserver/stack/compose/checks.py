"""Health checks of the parts that are not ours, with no more than their public images bring."""

from vserver.stack.gateway import HEALTH_PATH
from vserver.stack.plan import Component, Gateway, Postgres, Redis

# Through a pipe: a password in an argument or in the environment would be seen in the process list.
_REDIS = "{ sed -n 's/^requirepass /AUTH /p' /secrets/redis.conf; echo PING; } | redis-cli -p PORT | grep -qx PONG"

# The public image (Alpine) has wget and no bash, images made from Debian have it the other way round.
_GATEWAY = (
    "if command -v wget >/dev/null; then exec wget -q -O /dev/null http://127.0.0.1:PORTPATH; fi; "
    'exec bash -c \'exec 3<>/dev/tcp/127.0.0.1/PORT; printf "GET PATH HTTP/1.0\\r\\n\\r\\n" >&3; '
    'read -r -t 5 _ code _ <&3; [ "$code" = 200 ]\''
)


def native(component: Component) -> list[str]:
    """The program's own way to say that it is well."""
    port = str(component.port)
    match component.program:
        case Postgres(user=user, database=database):
            # Not the Unix socket: that already answers while the database is being initialized.
            return ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-p", port, "-U", user, "-d", database]
        case Redis():
            return ["CMD-SHELL", _REDIS.replace("PORT", port)]
        case Gateway():
            return ["CMD-SHELL", _GATEWAY.replace("PORT", port).replace("PATH", HEALTH_PATH)]
        case _:
            raise ValueError(f"{component.name} is one of ours: its health is asked by HTTP or by a module")
