"""A client whose token is bad may stay for as long as it takes to get another one, and no longer."""

import subprocess
import sys

from support.collaborations import new_world
from support.processes import free_port
from support.services import Services
from support.sockets import opened

# As the service is, but for how long it waits for a sign-in: 20 s are too long for a test.
IMPATIENT = """
from dataquality.dispatch.sockets import connections
connections.SIGN_IN_SECONDS = 2
from dataquality.core.serve import serve
from dataquality.dispatch.app import make_app
serve(make_app)
"""


class Impatient(Services):
    """Whose dispatch hangs up on strangers after two seconds."""

    def start(self, name: str) -> None:
        environment = self.environment | {"DATAQUALITY_COMPONENT": name}
        environment["DATAQUALITY_PORT"] = self.addresses[name].rpartition(":")[2]
        with (self.folder / f"{name}-impatient.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", IMPATIENT], env=environment, stdout=log, stderr=log, start_new_session=True
            )


async def test_a_stranger_who_gets_no_token_is_shown_out_and_a_guest_is_not(services_on_sqlite: Services) -> None:
    there = services_on_sqlite
    address = f"http://127.0.0.1:{free_port()}"
    impatient = Impatient(
        there.folder, there.database_url, there.redis_url, there.addresses | {"dispatch": address}, there.environment
    )
    world = new_world(there)
    impatient.start("dispatch")
    try:
        impatient.wait_ready("dispatch")
        async with opened(impatient, world.sites[0].api.token) as guest, opened(impatient, "bad") as stranger:
            await stranger.hears("expired_token", times=2)
            await stranger.hears("disconnect")
            assert guest.arguments("disconnect") == []
    finally:
        impatient.stop()
