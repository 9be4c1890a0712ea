"""Carries a plan out as containers of one compose project."""

import contextlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vserver.errors import CommandError, ExitCode
from vserver.stack.build import Overrides, build_plan, kept_secrets
from vserver.stack.compose import diagnosis, images, logs, states
from vserver.stack.compose.bridge import Publishing
from vserver.stack.compose.document import (
    PARTS_IMAGES,
    POSTGRES_DATA,
    SECRETS,
    Image,
    Restart,
    Setting,
    compose_document,
)
from vserver.stack.compose.engine import Container, Engine, connect
from vserver.stack.compose.files import CONFIGURATION, Files, labels
from vserver.stack.driver import DriverName, Progress, StackStatus
from vserver.stack.logs import LogsWanted, OnLine
from vserver.stack.placement import ComposeSite
from vserver.stack.plan import ComponentName, Gateway, Plan, Postgres
from vserver.stack.secrets import (
    FORGET_MODULE,
    OWN_PYTHON,
    REFUSED,
    SINGLE_USER,
    damage,
    keep_given,
    refusal,
    refuse_weak,
    renew_kept,
    renewing_statements,
)

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment

_EVENT = re.compile(r" ?Container (?P<name>\S+)  (?P<what>\w+)")
_TOLD = {"Healthy": "is healthy", "Exited": "is done", "Stopped": "has stopped", "Started": "is starting"}
_WITHOUT_NEWS = {"COMPOSE_PROGRESS": "quiet"}
"""For compose: nothing about the container that is made for it (older ones tell all the same)."""
_NOISE = re.compile(r"\s*(Container|Network|Volume) \S+  \w+")


@dataclass(frozen=True)
class ComposeDriver:
    """Runs one instance as containers. `environment` may be missing where nothing has to be started."""

    instance: "Instance"
    environment: "Environment | None" = None
    name: DriverName = "compose"

    def plan(self, port: int | None = None, ip: str | None = None, image: str | None = None) -> Plan:
        """The plan of the instance as containers."""
        if self.environment is None:
            raise CommandError("a plan needs the environment's configuration", exit_code=ExitCode.FAULT)
        site = ComposeSite(self.instance.data_folder)
        return build_plan(self.instance, self.environment, site, Overrides(port, ip, image))

    def start(self, plan: Plan, progress: Progress) -> StackStatus:
        """Start what is not running, wait until it is healthy; on failure put back what was."""
        engine = connect()
        self._files.make_folders()
        with self._files.lock():
            before = engine.containers(self._id)
            self._refuse_others(before)
            now = states.stack_status(before, plan)
            if now.state == "running":
                return now
            diagnosis.check_port(engine, plan, self._id, before)
            self._refuse_weak(plan, progress)
            self._prepare(engine, plan, progress)
            self._up(engine, plan, before, progress)
        return states.stack_status(engine.containers(self._id), plan)

    def warnings(self, plan: Plan) -> tuple[str, ...]:
        """Where the engine hides the addresses of callers."""
        published = plan.component("gateway").published
        if published is None or self.environment is None:
            return ()
        is_for_others = self.environment.type in ("acc", "prod")
        one = connect().gives_one_address()
        return Publishing(published, self.environment.trusted_proxies, is_for_others, one).warnings()

    def stop(self, progress: Progress) -> StackStatus:
        """Stop and remove the containers; the volumes and the data folder stay."""
        engine = connect()
        before = engine.containers(self._id)
        self._refuse_others(before)
        if before:
            self._down(engine, progress)
        return states.stack_status(before)

    def status(self) -> StackStatus:
        """How the engine says that the containers are."""
        containers = connect().containers(self._id)
        return states.stack_status(containers, self.plan() if self.environment and containers else None)

    def run_job(
        self,
        plan: Plan,
        module: str,
        arguments: Sequence[str],
        stdin: BinaryIO | None = None,
        on_line: Progress | None = None,
    ) -> int:
        """Run a module in a container like `migrate`'s. What it needs is started for it where it does not run."""
        engine = connect()
        before = engine.containers(self._id)
        self._refuse_others(before)
        say = on_line or _quiet
        if states.stack_status(before, plan).state != "stopped":
            return self._run_job(engine, ["--no-deps"], module, arguments, stdin, say)
        self._files.make_folders()
        with self._files.lock():
            self._prepare(engine, plan, say)
        try:
            # Without `--no-deps` compose starts what `migrate` needs, and waits until it is healthy.
            return self._run_job(engine, [], module, arguments, stdin, say)
        finally:
            self._down(engine, _quiet)

    def secret_damage(self) -> CommandError | None:
        """What is wrong with the kept secrets, and what to do; None where all look whole."""
        if self.environment is None:
            return None
        # The database may lie in a volume, which is not seen from here: it is made after this file is written.
        secrets = kept_secrets(self.instance, self.environment, str(self._files.project.file))
        return damage(OWN_PYTHON, self._files.kept, secrets)

    def renew_secrets(self, plan: Plan, names: Sequence[str], progress: Progress) -> None:
        """Make secrets of a stopped instance anew, and let its database take them at the next start."""
        engine = connect()
        before = engine.containers(self._id)
        self._refuse_others(before)
        if states.stack_status(before, plan).state != "stopped":
            raise CommandError("Secrets are renewed while the server is stopped", "`vserver stop` it first.")
        self._files.make_folders()
        with self._files.lock():
            self._prepare(engine, plan, progress)
            renew_kept(OWN_PYTHON, self._files.kept, plan.secrets, names)
            try:
                self._let_database_take(engine, plan, names)
            finally:
                self._down(engine, _quiet)

    def _refuse_weak(self, plan: Plan, progress: Progress) -> None:
        """A secret that was cut looks weak too, and is to be put back rather than renewed."""
        try:
            refuse_weak(self._files.kept, plan, progress)
        except CommandError as weak:
            raise self.secret_damage() or weak from None

    def _let_database_take(self, engine: Engine, plan: Plan, names: Sequence[str]) -> None:
        self._run_step(engine, [SECRETS])
        own = [part.program for part in plan.components if isinstance(part.program, Postgres)]
        if not own:
            self._run_step(engine, ["--no-deps", "migrate", "python", "-m", FORGET_MODULE, "--forget", *names])
            return
        words = ["postgres", *SINGLE_USER, "-D", POSTGRES_DATA, own[0].database]
        statements = renewing_statements(own[0].user, self._files.kept, names)
        self._run_step(engine, ["--no-deps", "postgres", *words], statements)

    def _run_step(self, engine: Engine, words: Sequence[str], text: str = "") -> None:
        """`docker compose run` with this text as input. Raises `CommandError` where it fails or says that it did."""
        said: list[str] = []
        code = engine.compose_job(
            self._files.project, ["run", "--rm", "-T", *words], BytesIO(text.encode()), said.append
        )
        wrong = [line for line in said if "ERROR" in line or "FATAL" in line]
        if code == REFUSED and (refused := refusal(said)):
            raise refused
        if code != 0 or wrong:
            raise CommandError("\n".join(["The database could not be told of the new secrets:", *(wrong or said[-3:])]))

    def run_at_terminal(self, plan: Plan, module: str) -> int:
        """Run a module at our terminal in a container like `migrate`'s, beside a stack that runs."""
        engine = connect()
        self._refuse_others(engine.containers(self._id))
        command = ["run", "--rm", "--no-deps", "migrate", "python", "-m", module]
        return engine.compose_on_console(self._files.project, command, _WITHOUT_NEWS)

    def last_lines(self, component: ComponentName, count: int) -> list[str]:
        """The last lines of a component's container."""
        engine = connect()
        names = [found.name for found in engine.containers(self._id) if found.service == component]
        return engine.logs(names[0], count) if names else []

    def follow_logs(self, wanted: LogsWanted, on_line: OnLine) -> None:
        """Tell the lines of the containers' logs until the stack ends."""
        logs.follow(connect(), self._files, self.environment, wanted, on_line)

    def files(self) -> dict[str, str]:
        """Where things are, and how to use plain `docker compose`."""
        project = self._files.project
        volumes = ", ".join(f"{self._id}_{name}" for name in self._kept_volumes())
        return {
            "Compose file": str(project.file),
            "Docker compose": self.command("ps"),
            "Log folder of the containers": str(self._files.log),
            "Docker volumes that hold data": volumes,
        }

    def command(self, *words: str) -> str:
        """The `docker compose` command line for this stack, to be used by hand."""
        project = self._files.project
        return " ".join(["docker", "compose", "-p", project.name, "-f", shlex.quote(str(project.file)), *words])

    def restarts_at_boot(self) -> bool:
        """Whether the engine brings the stack back when the machine has started."""
        return not self._no_autostart.exists()

    def set_restart_at_boot(self, wanted: bool) -> None:
        """Say whether the engine is to bring the stack back after a boot; failed containers come back either way."""
        self._files.make_folders()
        if wanted:
            self._no_autostart.unlink(missing_ok=True)
        else:
            self._no_autostart.touch()
        engine = connect()
        running = [found.name for found in engine.containers(self._id) if found.service not in states.ONE_SHOTS]
        if running:
            engine.set_restart(running, self._restart())

    @property
    def _id(self) -> str:
        return self.instance.id

    @property
    def _files(self) -> Files:
        return Files(self.instance)

    @property
    def _no_autostart(self) -> Path:
        return self._files.folder / "no-autostart"

    def _restart(self) -> Restart:
        # `on-failure` brings back what was killed, but nothing after a boot.
        return "unless-stopped" if self.restarts_at_boot() else "on-failure"

    def _prepare(self, engine: Engine, plan: Plan, progress: Progress) -> None:
        """The images, the given secrets, and the files from which containers are started."""
        image = images.ensure_own(engine, plan.image, progress)
        images.ensure(engine, _parts_images(plan), progress)
        keep_given(self._files.kept, plan.secrets)
        document = compose_document(plan, self._setting(image))
        program = plan.component("gateway").program
        self._files.write(document, program.caddyfile if isinstance(program, Gateway) else "")

    def _setting(self, image: Image) -> Setting:
        return Setting(
            project=self._id,
            image=image,
            paths=self._files.paths,
            account=self._files.account(),
            labels=labels(self.instance),
            restart=self._restart(),
        )

    def _watch(self, engine: Engine) -> diagnosis.Watch:
        return diagnosis.Watch(engine, self._id)

    def _up(self, engine: Engine, plan: Plan, before: list[Container], progress: Progress) -> None:
        arguments = ["up", "--detach", "--wait", "--remove-orphans"]
        said: list[str] = []
        try:
            code = engine.compose(self._files.project, arguments, _told(progress, said, self._id), self._watch(engine))
            if code != 0:
                raise diagnosis.failure(engine, self._id, plan, said)
        except BaseException:
            self._put_back(engine, before, progress)
            raise

    def _put_back(self, engine: Engine, before: list[Container], progress: Progress) -> None:
        """A stack that was stopped is stopped again; one that was partly up is left to the operator."""
        if states.stack_status(before).state == "stopped":
            progress("stopping what was started")
            with contextlib.suppress(CommandError):  # the cause of the failure is what must be told
                self._down(engine, _quiet)

    def _down(self, engine: Engine, progress: Progress) -> None:
        said: list[str] = []
        if engine.compose(self._files.project, ["down", "--remove-orphans"], _told(progress, said, self._id)) != 0:
            raise CommandError("\n".join(["the containers could not be stopped:", *said[-5:]]))

    def _run_job(
        self,
        engine: Engine,
        options: Sequence[str],
        module: str,
        arguments: Sequence[str],
        stdin: BinaryIO | None,
        say: Progress,
    ) -> int:
        command = ["run", "--rm", "-T", *options, "migrate", "python", "-m", module, *arguments]

        def on_line(line: str) -> None:
            if line and not _NOISE.match(line):
                say(line)

        return engine.compose_job(self._files.project, command, stdin, on_line)

    def _refuse_others(self, containers: Sequence[Container]) -> None:
        for found in containers:
            other = found.labels.get(CONFIGURATION)
            if other != str(self.instance.configuration):
                raise CommandError(
                    f"the compose project {self._id} belongs to {other or 'something that vserver did not start'}, "
                    f"not to {self.instance.configuration}",
                    "Stop that one first, or give one of the two configurations another name.",
                )

    def _kept_volumes(self) -> list[str]:
        own_database = self.environment is None or self.environment.uri is None
        return [*(["postgres"] if own_database else []), "redis"]


def _parts_images(plan: Plan) -> list[str]:
    names = {component.name for component in plan.components}
    return [image for image, name in zip(PARTS_IMAGES, ("postgres", "redis", "gateway"), strict=True) if name in names]


def _told(progress: Progress, said: list[str], project: str) -> Progress:
    """Compose's lines as sentences about components, each once."""
    told: set[str] = set()

    def on_line(line: str) -> None:
        said.append(line)
        event = _EVENT.match(line)
        if event and event["what"] in _TOLD:
            component = event["name"].removeprefix(f"{project}-").rsplit("-", 1)[0]
            sentence = f"{component} {_TOLD[event['what']]}"
            was_over = event["what"] == "Stopped" and component in states.ONE_SHOTS
            if sentence not in told and not was_over:
                told.add(sentence)
                progress(sentence)

    return on_line


def _quiet(_: str) -> None:
    """Nobody wants to know."""
