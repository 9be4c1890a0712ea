"""The Docker engine, typed: the one module that knows python-on-whales, which it imports late (0.4 s).

What must be watched while it runs, or gets a standard input, runs as the same command line that python-on-whales
would use. Every failure is a `CommandError` with cause and remedy.
"""

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from vserver.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from python_on_whales import Container as Inspected
    from python_on_whales import DockerClient

OnLine = Callable[[str], None]

_INSTALL = "Install Docker Engine with its compose plugin (docs.docker.com/engine/install), or use `--driver local`."
_ANSWER_SECONDS = 30
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"


@dataclass(frozen=True)
class Container:
    """A container of a project, as the engine says that it is now."""

    service: str
    name: str
    state: str
    """created, running, paused, restarting, exited or dead."""
    health: str | None
    exit_code: int
    restarts: int
    pid: int | None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Project:
    """A compose project: its name, and its file where that exists."""

    name: str
    file: Path

    def arguments(self) -> list[str]:
        """What stands behind `docker compose`. Without its file a project can still be listed and stopped."""
        return ["-p", self.name, *(["-f", str(self.file)] if self.file.exists() else [])]


class Engine:
    """A Docker engine that answers; see `connect`."""

    def __init__(self, client: "DockerClient") -> None:
        self._client = client
        self._docker = [str(word) for word in cast(list[object], client.client_config.docker_cmd)]

    def containers(self, project: str) -> list[Container]:
        """All containers of a project, stopped ones too, one-off ones (`compose run`) not."""
        with _engine_errors("list the containers"):
            listed = self._client.container.list(all=True, filters=[("label", f"{_PROJECT}={project}")])
        return [found for found in self._inspect([one.id for one in listed]) if found.labels.get(_ONE_OFF) != "True"]

    def gives_one_address(self) -> bool:
        """Whether callers from outside come in through a process of the engine, which hides their addresses."""
        with _engine_errors("describe itself"):
            info = self._client.info()
        rootless = any("rootless" in option for option in info.security_options or ())
        return rootless or (info.operating_system or "").startswith("Docker Desktop")

    def publishing(self, port: int) -> list[Container]:
        """The running containers that publish a port of this machine."""
        with _engine_errors("list the containers"):
            ids = [found.id for found in self._client.container.list(filters=[("publish", str(port))])]
        return self._inspect(ids)

    def logs(self, container: str, lines: int) -> list[str]:
        """The last lines of what a container wrote."""
        found = subprocess.run(  # noqa: S603 - our own words
            [*self._docker, "logs", "--tail", str(lines), container],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        return [line.rstrip() for line in found.stdout.splitlines() if line.strip()]

    def image_labels(self, image: str) -> Mapping[str, str] | None:
        """The labels of an image that is here; None when it is not."""
        with _engine_errors(f"look for the image {image}"):
            if not self._client.image.exists(image):
                return None
            return dict(self._client.image.inspect(image).config.labels or {})

    def image_id(self, image: str) -> str | None:
        """The engine's own name for an image that is here."""
        with _engine_errors(f"look for the image {image}"):
            return self._client.image.inspect(image).id if self._client.image.exists(image) else None

    def remove_unused_image(self, image: str) -> None:
        """Remove an image that has lost its name, unless a container still runs it."""
        subprocess.run([*self._docker, "image", "rm", image], capture_output=True, check=False)  # noqa: S603

    def pull(self, image: str) -> None:
        """Fetch an image from its registry."""
        with _engine_errors(
            f"fetch the image {image}",
            "Without a way to its registry, bring the images in an archive: `vserver image load ARCHIVE`.",
        ):
            self._client.image.pull(image, quiet=True)

    def load(self, archive: Path) -> list[str]:
        """Load the images of an archive; their names."""
        with _engine_errors(f"load {archive}", "The archive must be one that `docker save` or `make dist` wrote."):
            return self._client.image.load(archive, quiet=True)

    def save(self, images: Sequence[str], archive: Path) -> None:
        """Write images that are here into one archive."""
        with _engine_errors(f"write {archive}"):
            self._client.image.save(list(images), output=archive)

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], on_line: OnLine) -> int:
        """Build an image from `context` (its deploy/Dockerfile); the exit code."""
        said = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        file = str(context / "deploy" / "Dockerfile")
        return self._stream(["build", "--progress=plain", "--file", file, "--tag", tag, *said, str(context)], on_line)

    def set_restart(self, containers: Iterable[str], policy: str) -> None:
        """Change the restart policy of containers that are there."""
        with _engine_errors("change the restart policy"):
            self._client.container.update(list(containers), restart=policy)

    def compose(
        self, project: Project, arguments: Sequence[str], on_line: OnLine, watch: Callable[[], None] | None = None
    ) -> int:
        """Run a compose command and report what it says line by line; its exit code.

        `watch` is called about once a second meanwhile; when it raises, the command is ended and that is raised.
        """
        return self._stream(["compose", "--ansi=never", *project.arguments(), *arguments], on_line, watch)

    def compose_job(
        self, project: Project, arguments: Sequence[str], stdin: BinaryIO | None, on_error_line: OnLine
    ) -> int:
        """Run a compose command with `stdin` as its input and our own standard output; its exit code."""
        command = [*self._docker, "compose", "--ansi=never", *project.arguments(), *arguments]
        given = stdin if stdin is None or _has_descriptor(stdin) else subprocess.PIPE
        process = subprocess.Popen(  # noqa: S603 - our own words
            command, stdin=subprocess.DEVNULL if stdin is None else given, stderr=subprocess.PIPE
        )
        feeder = threading.Thread(target=_feed, args=(stdin, process), daemon=True)
        if given == subprocess.PIPE:
            feeder.start()
        with _ended(process):
            for line in process.stderr or ():
                on_error_line(line.decode("utf-8", "replace").rstrip())
            return process.wait()

    def compose_on_console(
        self, project: Project, arguments: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> int:
        """Run a compose command on our own console, with these variables for compose itself; its exit code."""
        command = [*self._docker, "compose", *project.arguments(), *arguments]
        environment = {**os.environ, **(variables or {})}
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own words

    def _inspect(self, ids: Sequence[str]) -> list[Container]:
        found: list[Container] = []
        for one in ids:
            with _engine_errors("look at the containers"), _unless_gone():
                found.append(_container(self._client.container.inspect(one)))
        return found

    def _stream(self, arguments: Sequence[str], on_line: OnLine, watch: Callable[[], None] | None = None) -> int:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [*self._docker, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        with _ended(process):
            for line in _ticking(lines):
                if line is not None:
                    on_line(line)
                elif watch is not None:
                    watch()
            return process.wait()


def connect() -> Engine:
    """The engine of this machine (or of $DOCKER_HOST). Raises `CommandError` where none can be used."""
    if shutil.which("docker") is None:
        raise CommandError("there is no `docker` command on this machine", _INSTALL, ExitCode.UNREACHABLE)
    _ask(["docker", "version", "--format", "{{.Server.Version}}"], _no_engine)
    _ask(["docker", "compose", "version", "--short"], _no_compose)
    from python_on_whales import DockerClient

    return Engine(DockerClient())


def _ask(command: Sequence[str], refusal: Callable[[str], CommandError]) -> None:
    try:
        answer = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, text=True, errors="replace", timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise refusal(f"no answer in {_ANSWER_SECONDS} s") from None
    if answer.returncode != 0:
        raise refusal(" ".join(answer.stderr.split()))


def _no_engine(cause: str) -> CommandError:
    if "permission denied" in cause.lower():
        return CommandError(
            "this account may not use the Docker engine (permission denied on its socket)",
            "Add it to the group of the socket (`sudo usermod -aG docker $USER`, then log in anew), "
            "or use `--driver local`.",
            ExitCode.UNREACHABLE,
        )
    return CommandError(
        f"the Docker engine does not answer: {cause}",
        "Start it (`sudo systemctl start docker`, or Docker Desktop), or use `--driver local`.",
        ExitCode.UNREACHABLE,
    )


def _no_compose(cause: str) -> CommandError:
    return CommandError(
        f"the Docker command has no compose plugin: {cause}",
        "Install it (package docker-compose-plugin or docker-compose-v2), or use `--driver local`.",
        ExitCode.UNREACHABLE,
    )


@contextmanager
def _engine_errors(doing: str, hint: str | None = None) -> Generator[None]:
    from python_on_whales import DockerException

    try:
        yield
    except DockerException as error:
        cause = " ".join((error.stderr or str(error)).split())
        raise CommandError(f"the Docker engine could not {doing}: {cause}", hint) from error


@contextmanager
def _unless_gone() -> Generator[None]:
    """A container may go between the list and the closer look: then it is no longer in the project."""
    from python_on_whales.exceptions import NoSuchContainer

    try:
        yield
    except NoSuchContainer:
        return


def _container(found: "Inspected") -> Container:
    state, labels = found.state, dict(found.config.labels or {})
    return Container(
        service=labels.get(_SERVICE, ""),
        name=found.name,
        state=state.status or "",
        health=state.health.status if state.health else None,
        exit_code=state.exit_code or 0,
        restarts=found.restart_count or 0,
        pid=state.pid or None,
        labels=labels,
    )


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Generator[None]:
    """However the block is left, the process is gone."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _read(process: subprocess.Popen[bytes], lines: "queue.Queue[str | None]") -> None:
    for line in process.stdout or ():
        lines.put(line.decode("utf-8", "replace").rstrip())
    lines.put(None)


def _ticking(lines: "queue.Queue[str | None]") -> Iterator[str | None]:
    """The lines until they end; None about once a second while there are none."""
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def _has_descriptor(stream: BinaryIO) -> bool:
    try:
        stream.fileno()
    except (OSError, AttributeError):
        return False
    return True


def _feed(source: BinaryIO, process: subprocess.Popen[bytes]) -> None:
    if process.stdin is None:
        return
    try:
        shutil.copyfileobj(source, process.stdin)
        process.stdin.close()
    except BrokenPipeError:
        return  # the job ended before it read all: its exit code says why
