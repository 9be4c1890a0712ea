"""The local driver: what `vserver` calls. Decides with whose rights a stack runs, and leaves the rest to it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from vserver.account import Account, account_name, enterable, find_account, is_root
from vserver.errors import CommandError, ExitCode
from vserver.stack import published_port
from vserver.stack.build import Overrides, build_plan, kept_secrets
from vserver.stack.driver import DriverName, Progress, StackStatus
from vserver.stack.files import read_text
from vserver.stack.local import folders, job
from vserver.stack.local.paths import Place
from vserver.stack.local.runtime import runtime_for
from vserver.stack.local.service_account import acting_as, service_account
from vserver.stack.local.stack import LocalStack
from vserver.stack.logs import LogsWanted, OnLine, component_in
from vserver.stack.placement import LocalSite
from vserver.stack.plan import ComponentName, Plan
from vserver.stack.secrets import FORGET_MODULE, OWN_PYTHON, damage
from vserver.stack.tail import follow, last_lines

if TYPE_CHECKING:
    from vserver.config.instance import Instance
    from vserver.config.schema import Environment

T = TypeVar("T")

_SHARED = ""
"""Stands for the log file of all components: where they write nothing to their consoles, it is all there is."""


class LocalDriver:
    """Runs one instance as processes of this machine. `environment` may be missing where nothing is started."""

    name: DriverName = "local"

    def __init__(self, instance: "Instance", environment: "Environment | None" = None) -> None:
        self.instance = instance
        self._environment = environment
        self._place = Place(instance.id, instance.data_folder, instance.log_folder)
        self._stack = LocalStack(self._place)

    def plan(self, port: int | None = None, ip: str | None = None, image: str | None = None) -> Plan:
        """The plan of this instance, with the options of `start` laid over the configuration."""
        if self._environment is None:
            raise CommandError("a plan needs the environment's configuration", exit_code=ExitCode.FAULT)
        if image is not None:
            raise CommandError(
                "--image names a container image, but the local driver runs no containers",
                "Leave --image out, or use `--driver compose`.",
                ExitCode.USAGE,
            )
        place = self._place
        self._hand_over()
        published = port or self._environment.port
        chosen, sockets = self._as_account(lambda _: (self._stack.choose_ports(published), place.sockets))
        site = LocalSite(chosen, place.data, place.log, place.secrets, sockets)
        return build_plan(self.instance, self._environment, site, Overrides(port, ip))

    def start(self, plan: Plan, progress: Progress) -> StackStatus:
        """Start what is not running and wait until all of it is healthy."""
        self._refuse_anothers(plan)
        account = service_account(progress)
        folders.hand_over(self._place, account)
        runtime = runtime_for(account, progress)
        try:
            return acting_as(account, lambda say: self._stack.start(plan, runtime, say), progress)
        except published_port.PortTakenError as error:
            # Asked again, for we may be root, and see more than the account.
            raise published_port.taken(error.published) from None

    def warnings(self, plan: Plan) -> tuple[str, ...]:
        """None: callers reach the gateway itself."""
        return ()

    def stop(self, progress: Progress) -> StackStatus:
        """Stop all of it; orphans too."""
        return self._as_account(self._stack.stop, progress)

    def status(self) -> StackStatus:
        """How the instance is now."""
        return self._as_account(lambda _: self._stack.status())

    def run_job(
        self,
        plan: Plan,
        module: str,
        arguments: Sequence[str],
        stdin: BinaryIO | None = None,
        on_line: Progress | None = None,
    ) -> int:
        """Run a module once in the place of `migrate`. What it needs is started for it where it does not run."""
        say = on_line or _silent
        account = self._account()
        runtime = runtime_for(account, say)
        work = job.Job(self._place, runtime, plan.component("migrate"), module, tuple(arguments))

        def run(on_line: Progress) -> int:
            return self._stack.run_job(plan, runtime, lambda: work.run(stdin, on_line), on_line)

        return acting_as(account, run, say)

    def secret_damage(self) -> CommandError | None:
        """What is wrong with the kept secrets, and what to do; None where all look whole."""
        if self._environment is None:
            return None
        # Written once the secrets are made: from then on they must be there.
        secrets = kept_secrets(self.instance, self._environment, str(self._place.configuration))
        return damage(OWN_PYTHON, self._place.kept_secrets, secrets)

    def renew_secrets(self, plan: Plan, names: Sequence[str], progress: Progress) -> None:
        """Make secrets of a stopped instance anew, and let its database take them at the next start."""
        account = self._account()
        runtime = runtime_for(account, progress)
        forget = job.Job(self._place, runtime, plan.component("migrate"), FORGET_MODULE, ("--forget", *names))
        acting_as(account, lambda say: self._stack.renew_secrets(plan, runtime, names, forget, say), progress)

    def run_at_terminal(self, plan: Plan, module: str) -> int:
        """Run a module at our terminal in the place of `migrate`, beside a stack that runs."""
        from vserver.stack.local.console import Console

        account = self._account()
        runtime = runtime_for(account, _silent)
        work = job.Job(self._place, runtime, plan.component("migrate"), module, ())
        return Console(work.command, work.environment, self._place.run, account).run()

    def last_lines(self, component: ComponentName, count: int) -> list[str]:
        """The last lines of a component's log."""
        return self._as_account(lambda _: last_lines(self._place.log_of(component), count))

    def follow_logs(self, wanted: LogsWanted, on_line: OnLine) -> None:
        """Tell the lines of the logs until the stack ends. Ctrl-C is a KeyboardInterrupt."""

        def told(text: str) -> None:
            on_line(*text.split("\t", 1))

        self._as_account(lambda say: self._follow(wanted, say), told)

    def files(self) -> dict[str, str]:
        """What this driver keeps where."""
        return {
            "Run folder": str(self._place.run),
            "Component logs": str(self._place.log_of("*")),
            "Supervisor's socket": str(self._as_account(lambda _: self._place.socket)),
        }

    def _refuse_anothers(self, plan: Plan) -> None:
        owner = read_text(self._place.configuration)
        if owner and owner != plan.configuration and Path(owner).exists():
            raise CommandError(
                f"The data in {self._place.data} belong to another configuration: {owner}",
                "Start that one, rename this one, or give this one other `directories`.",
                ExitCode.USAGE,
            )

    def _follow(self, wanted: LogsWanted, say: Progress) -> None:
        logs = {name: self._place.log_of(name) for name in wanted.components}
        if self._environment is not None and not self._environment.logging.use_console:
            logs[_SHARED] = self.instance.log_file
        for source, line in follow(logs, wanted, lambda: self._stack.status().state not in {"stopped", "orphaned"}):
            name = component_in(line, wanted.components) if source == _SHARED else source
            if name is not None:
                say(f"{name}\t{line}")

    def _account(self) -> Account | None:
        """None for whoever is not root, and where the account has nothing to do with the instance's folder."""
        if not is_root():
            return None
        account = find_account(account_name())
        return account if account and enterable(self._place.data, account.uid, account.gid) else None

    def _as_account(self, work: Callable[[Progress], T], progress: Progress | None = None) -> T:
        return acting_as(self._account(), work, progress or _silent)

    def _hand_over(self) -> None:
        folders.hand_over(self._place, service_account(_note))


def _note(text: str) -> None:
    sys.stderr.write(f"note: {text}\n")


def _silent(_: str) -> None:
    return
