"""What each command reads and writes, and when it ends how: the parts of docs/commands.md that no option tells.

A command that is new here gets its row with it; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class About:
    """A command beyond its help. `exits` tells when it ends with which code, beside those that all share."""

    reads: str
    writes: str
    exits: Mapping[int, str] = field(default_factory=dict[int, str])


ABOUT: Mapping[str, About] = {
    "new": About(
        reads="Your answers at the terminal, or `--set`; the configuration of that name, if there is one.",
        writes="The configuration file, for you alone (mode 600). Nothing that is there is overwritten.",
        exits={
            0: "The file is written.",
            1: "The environment is in the file already.",
            2: "The folder of configurations cannot be written: use `--user`.",
            4: "An answer or the name cannot be; nothing is written.",
        },
    ),
    "start": About(
        reads="The configuration, and the files and variables that it refers to; what the instance keeps in its data "
        "folder.",
        writes="In the data folder the secrets that are missing, the database, and what the driver needs; the log. "
        "Under Docker also named volumes. Where a start fails, what it started is stopped again; data stay.",
        exits={
            0: "All parts are healthy; or they were already.",
            1: "A part does not become healthy; its last words are shown.",
            2: "The Docker engine does not answer, or you may not use it or the folders.",
            3: "A part was not healthy in time.",
            4: "The configuration or an option is wrong.",
        },
    ),
    "stop": About(
        reads="The configuration, if it can be read: a server whose configuration became wrong can be stopped too.",
        writes="Nothing. The data, the log and the volumes stay.",
        exits={0: "It is stopped; or nothing was running.", 4: "Several servers run, and none is named."},
    ),
    "list": About(
        reads="All configurations of both levels, and what runs.",
        writes="Nothing.",
        exits={0: "Always, also when a configuration is wrong: its row says so."},
    ),
    "status": About(
        reads="The configuration, and how each part is: asked of the processes or of Docker, never of a file. "
        "Also whether the secrets that are kept look whole.",
        writes="Nothing.",
        exits={
            0: "All parts run and are healthy, and all secrets are whole.",
            1: "Some do not run or are not healthy, or secrets are damaged.",
        },
    ),
    "files": About(
        reads="The configuration.",
        writes="Nothing. A password in the database's address is masked.",
        exits={0: "The files are listed."},
    ),
    "attach": About(
        reads="What the running parts wrote to their consoles, and the log file where they do not write there.",
        writes="Nothing. Ctrl-C ends the command alone; the server goes on running.",
        exits={0: "You detached, or the server was stopped.", 1: "The server does not run."},
    ),
    "shell": About(
        reads="The running server's database; your lines, `--command`, or standard input.",
        writes="What you save. Changes take effect at once, and nodes hear of tasks that you make.",
        exits={0: "You left it, or the code ran to its end.", 1: "The server does not run, or the code failed."},
    ),
    "import": About(
        reads="The file, or standard input (`-`); the database.",
        writes="The database, in one transaction: all or nothing. With `--keys-file` that file, for you alone. "
        "With `--dry-run` nothing.",
        exits={
            0: "It is imported; or all of it was there already.",
            1: "It cannot be imported into this database; nothing was changed.",
            4: "The file or an option is wrong, or `--drop-all` was not confirmed; nothing was changed.",
        },
    ),
    "export": About(
        reads="The database.",
        writes="The file that is named, or standard output. Passwords and API keys are not in it.",
        exits={0: "It is written.", 1: "The database cannot be read."},
    ),
    "user set-password": About(
        reads="The password at the terminal (not shown), in `--password-file`, or on standard input; the database.",
        writes="The hash of the password, the end of the user's sign-ins, and a line in the audit trail.",
        exits={
            0: "It is set.",
            1: "It cannot be set: the instance was never started, or its database does not answer.",
            4: "The password is against the rules, there is no such user, or an option is wrong; nothing was changed.",
        },
    ),
    "version": About(
        reads="The running server's answer at `/version`.",
        writes="Nothing.",
        exits={0: "Both versions are told.", 1: "No server runs.", 2: "The server does not answer."},
    ),
    "secret renew": About(
        reads="The configuration, and the secrets that the instance keeps.",
        writes="New secrets in the place of those that are named, and in the database that it is to take them. "
        "Nothing where others are damaged too.",
        exits={
            0: "They are new; the next start takes them.",
            1: "The server runs, or other secrets are damaged too; nothing was changed.",
            4: "There is no secret of that name, or the configuration gives it.",
        },
    ),
    "image build": About(
        reads="The Dockerfile, the lock and the code of this installation.",
        writes="An image in the Docker engine.",
        exits={0: "The image is there.", 1: "It cannot be built.", 2: "The Docker engine does not answer."},
    ),
    "image load": About(
        reads="The archive.",
        writes="Images in the Docker engine.",
        exits={
            0: "The images are there.",
            1: "The archive is not one of images.",
            2: "The Docker engine does not answer.",
            4: "There is no such file.",
        },
    ),
    "image show": About(
        reads="The Docker engine's list of images.",
        writes="Nothing.",
        exits={0: "They are listed.", 2: "The Docker engine does not answer."},
    ),
    "autostart": About(
        reads="The configuration, and what starts at boot.",
        writes="Under the driver `local` a unit of systemd; under Docker nothing, for Docker starts its containers "
        "itself. `status` writes nothing.",
        exits={0: "It is as you asked.", 1: "systemd refuses, or is not there.", 4: "An argument is wrong."},
    ),
}

SHARED: Mapping[int, str] = {
    0: "It worked.",
    1: "It failed. The message says why and what to do.",
    2: "The engine, the server or a folder cannot be reached, or you may not use it.",
    3: "It took too long.",
    4: "An argument or the configuration is wrong. Nothing was done.",
    5: "A fault of `vserver` itself. The message names a file to report.",
    130: "You interrupted it (Ctrl-C).",
}
"""How every command ends."""
