"""The prompt: the one module that knows IPython.

Nothing of a profile is read, for it lies in a folder that the server's account can write. Nothing is kept of what is
typed: passwords and API keys are typed here.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from IPython.core.profiledir import ProfileDir
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from traitlets.config import Config


def interact(
    namespace: dict[str, Any],
    banner: str,
    before_each: Callable[[], None],
    one_liners: Iterable[type[BaseException]],
    explain: Callable[[BaseException], str],
) -> None:
    """Prompt until the operator leaves. Of `one_liners` only what `explain` says is shown, without a traceback."""
    with TemporaryDirectory(prefix="shell-") as folder:
        place = str(Path(folder) / "profile")
        profile = ProfileDir.create_profile_dir(place)  # pyright: ignore[reportUnknownMemberType]
        # Parts of IPython look for the one instance.
        prompt = TerminalInteractiveShell.instance(config=_config(banner), user_ns=namespace, profile_dir=profile)
        prompt.events.register("pre_run_cell", lambda *_: before_each())
        teller = _teller(explain)
        prompt.set_custom_exc(tuple(one_liners), teller)  # pyright: ignore[reportUnknownMemberType]
        prompt.show_banner()  # pyright: ignore[reportUnknownMemberType]
        prompt.mainloop()


def _config(banner: str) -> Config:
    config = Config()
    config.HistoryManager.enabled = False
    config.IPCompleter.use_jedi = False
    config.TerminalInteractiveShell.banner1 = banner
    config.TerminalInteractiveShell.banner2 = ""
    config.TerminalInteractiveShell.confirm_exit = False
    config.TerminalInteractiveShell.term_title = False
    config.TerminalInteractiveShell.show_rewritten_input = False
    return config


def _teller(explain: Callable[[BaseException], str]) -> Callable[..., None]:
    def tell(_prompt: Any, _kind: Any, error: BaseException, _trace: Any, tb_offset: Any = None) -> None:
        sys.stderr.write(f"error: {explain(error)}\n")

    return tell
