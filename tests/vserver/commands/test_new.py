"""`vserver new`: asked key by key at a real terminal, and set key by key without one."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, cast

import pytest
import yaml

from support.accounts import throw_away_account
from support.local import Home, new_home
from support.terminal import CLEAR, CTRL_C, CTRL_D, DOWN, Terminal, at_terminal
from vserver.config.reader import read_environment
from vserver.config.schema import Environment


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as made:
        yield made


def folder(home: Home) -> Path:
    return home.folder / "config" / "dataquality" / "server"


def written(home: Home, name: str = "hospital") -> dict[str, Any]:
    return yaml.safe_load((folder(home) / f"{name}.yaml").read_text())


def made(home: Home, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = home.here("new", "--user", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def answer_up_to_the_database(terminal: Terminal) -> None:
    terminal.answer("What is this server for?", "Of the hospital")
    terminal.answer("Address to listen on:")
    terminal.answer("Port to listen on:")
    terminal.answer("Path of the API:")
    terminal.answer("Database")


class TestAtATerminal:
    def test_every_question_is_asked_in_order_and_enter_takes_what_is_proposed(self, home: Home) -> None:
        with at_terminal(home, "new", "--user") as terminal:
            terminal.answer("Name of the server:", "my hospital")
            answer_up_to_the_database(terminal)
            terminal.answer("delete all that the database holds?")
            terminal.answer("constant secret")
            terminal.answer("Least level")
            terminal.answer("second factor?")
            terminal.answer("VPN server")
            terminal.expect("vserver start --name my-hospital -e prod --user")
            assert terminal.end() == 0
            assert "RabbitMQ" not in terminal.screen
        file = written(home, "my-hospital")
        prod = file["environments"]["prod"]
        secret = prod.pop("jwt_secret_key")
        assert len(secret) >= 32
        assert prod == {
            "description": "Of the hospital",
            "ip": "0.0.0.0",
            "port": 5000,
            "api_path": "/api",
            "uri": "sqlite:///default.sqlite",
            "allow_drop_all": False,
            "logging": {
                "level": "INFO",
                "file": "my-hospital-prod.log",
                "use_console": True,
                "backup_count": 5,
                "max_size": 51200,
                "format": "%(asctime)s - %(name)-14s - %(levelname)-8s - %(message)s",
                "datefmt": "%Y-%m-%d %H:%M:%S",
            },
            "two_factor_auth": True,
        }
        assert file["application"] == {}
        assert {name: file["environments"][name] for name in ("dev", "test", "acc")} == {
            "dev": {},
            "test": {},
            "acc": {},
        }

    def test_other_answers_than_the_proposed_ones_are_written_with_their_types(self, home: Home) -> None:
        with at_terminal(home, "new", "--user", "-n", "hospital", "-e", "test") as terminal:
            terminal.answer("What is this server for?", "Of the hospital")
            terminal.answer("Address to listen on:", CLEAR + "127.0.0.1")
            terminal.answer("Port to listen on:", CLEAR + "5001")
            terminal.answer("Path of the API:", CLEAR + "/sub/api")
            terminal.answer("Database", CLEAR)
            terminal.answer("delete all that the database holds?", DOWN)  # from False round to True
            terminal.expect("constant secret")
            terminal.press("n")
            terminal.answer("Least level", DOWN * 4)
            terminal.expect("second factor?")
            terminal.press("n")
            assert terminal.expect("VPN server")
            terminal.press("n")
            assert terminal.end() == 0
        test = written(home)["environments"]["test"]
        assert (test["ip"], test["port"], test["api_path"]) == ("127.0.0.1", 5001, "/sub/api")
        assert test["allow_drop_all"] is True
        assert test["two_factor_auth"] is False
        assert test["logging"]["level"] == "NOTSET"
        assert not test.keys() & {"uri", "jwt_secret_key", "vpn_server"}
        loaded = read_environment(folder(home) / "hospital.yaml").settings
        assert (loaded.allow_drop_all, loaded.logging.level) == (True, "NOTSET")

    def test_a_wrong_answer_is_told_at_once_and_asked_again(self, home: Home) -> None:
        with at_terminal(home, "new", "--user") as terminal:
            terminal.answer("Name of the server:", "a/b")
            terminal.expect("may hold only letters")
            terminal.press(CLEAR + "hospital\r")
            terminal.answer("What is this server for?")
            terminal.expect("Write a few words")
            terminal.press("Ours\r")
            terminal.answer("Address to listen on:", CLEAR + "localhost")
            terminal.expect("Write 127.0.0.1 to be reachable from this machine only")
            terminal.press(CLEAR + "127.0.0.1\r")
            terminal.answer("Port to listen on:", CLEAR + "70000")
            terminal.expect("at most 65535")
            terminal.press(CLEAR + "7000\r")
            terminal.answer("Path of the API:", CLEAR + "api")
            terminal.expect("a path that starts with /")
            terminal.press(CLEAR + "/api\r")
            terminal.answer("Database", CLEAR + "mysql://host/db")
            terminal.expect("Only SQLite and Postgres are supported")
            terminal.press(CLEAR + "sqlite:///x.sqlite\r")
            terminal.answer("delete all")
            terminal.answer("constant secret")
            terminal.answer("Least level")
            terminal.answer("second factor?")
            terminal.answer("VPN server")
            assert terminal.end() == 0
        prod = written(home)["environments"]["prod"]
        assert (prod["port"], prod["uri"]) == (7000, "sqlite:///x.sqlite")

    def test_the_secrets_of_the_vpn_are_asked_for_without_showing_them(self, home: Home) -> None:
        known = {"description": "x", "ip": "127.0.0.1", "port": 1, "api_path": "/api", "uri": "sqlite:///x.sqlite"}
        known |= {"allow_drop_all": "false", "jwt_secret_key": "${SECRET}", "logging.level": "INFO"}
        settings = [word for key, value in (known | {"two_factor_auth": "no"}).items()
                    for word in ("--set", f"{key}={value}")]  # fmt: skip
        with at_terminal(home, "new", "--user", "-n", "hospital", *settings, SECRET=token_urlsafe(32)) as terminal:
            terminal.expect("VPN server")
            terminal.press("y")
            terminal.answer("Address of the VPN server:", "vpn.example.org")
            terminal.expect("starts with https://")
            terminal.press(CLEAR + "https://vpn.example.org\r")
            terminal.answer("User of its portal:", "portal")
            terminal.answer("Password of that user:", "geheim-1")
            terminal.answer("OAuth2 client id:", "client")
            terminal.answer("OAuth2 client secret:", "geheim-2")
            terminal.answer("OAuth2 redirect address:")
            assert terminal.end() == 0
            assert "geheim" not in terminal.screen
            assert "What is this server for?" not in terminal.screen, "what is set is not asked for"
        prod = written(home)["environments"]["prod"]
        assert prod["jwt_secret_key"] == "${SECRET}"
        assert prod["vpn_server"] == {
            "url": "https://vpn.example.org",
            "redirect_url": "http://localhost",
            "client_id": "client",
            "client_secret": "geheim-2",
            "portal_username": "portal",
            "portal_userpass": "geheim-1",
        }

    @pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
    def test_breaking_off_writes_nothing(self, home: Home, key: str) -> None:
        with at_terminal(home, "new", "--user", "-n", "hospital") as terminal:
            answer_up_to_the_database(terminal)
            terminal.expect("delete all that the database holds?")
            terminal.press(CTRL_C)
            assert terminal.end() == 130
            assert "interrupted" in terminal.screen
        with at_terminal(home, "new", "--user", "-n", "hospital") as terminal:
            terminal.expect("What is this server for?")
            terminal.press(key)
            assert terminal.end() == 130
        assert not folder(home).exists()

    def test_an_environment_that_is_there_is_told_before_anything_is_asked(self, home: Home) -> None:
        made(home, "-n", "hospital", "--set", "description=x")
        with at_terminal(home, "new", "--user", "-n", "hospital") as terminal:
            assert terminal.end() == 1
            assert "has an environment prod already" in terminal.screen
            assert "?" not in terminal.screen

    def test_only_the_answer_goes_to_standard_output(self, home: Home, tmp_path: Path) -> None:
        with at_terminal(home, "new", "--user", "-n", "h", "--set", "jwt_secret_key=${S}", output=tmp_path / "out",
                         S=token_urlsafe(32)) as terminal:  # fmt: skip
            answer_up_to_the_database(terminal)
            for question in ("delete all", "Least level", "second factor?", "VPN server"):
                terminal.answer(question)
            assert terminal.end() == 0
        assert (tmp_path / "out").read_text().splitlines() == [
            f"Written: {folder(home)}/h.yaml (environment prod).",
            "",
            "Next:",
            "  vserver start --name h -e prod --user",
        ]


class TestWithoutATerminal:
    def test_what_must_be_given_is_listed(self, home: Home) -> None:
        done = home.here("new", "--user")
        assert done.returncode == 4
        assert "--name NAME, --set description=TEXT" in done.stderr
        assert "hint: For example `vserver new --name hospital -e prod --user --set description=" in done.stderr
        done = home.here("new", "--user", "-n", "hospital", "--set", "port=1")
        assert done.returncode == 4
        assert "these are not given: --set description=TEXT" in done.stderr
        assert not folder(home).exists()

    def test_keys_that_are_not_set_have_the_defaults_of_the_reference(self, home: Home) -> None:
        made(home, "-n", "hospital", "--set", "description=Ours", "-e", "acc")
        acc = written(home)["environments"]["acc"]
        assert (acc["ip"], acc["port"], acc["api_path"]) == ("0.0.0.0", 5000, "/api")
        assert acc["allow_drop_all"] is False
        assert acc["two_factor_auth"] is False
        assert not acc.keys() & {"uri", "jwt_secret_key"}, "the server brings its own"

    def test_the_file_and_its_address_are_told_to_programs(self, home: Home) -> None:
        done = made(home, "-n", "my server", "--set", "description=x", "--json", "-e", "application")
        data = json.loads(done.stdout)["data"]
        assert data["configuration"] == str(folder(home) / "my-server.yaml")
        assert data["start"] == "vserver start --name my-server -e application --user"
        assert written(home, "my-server")["application"]["description"] == "x"

    def test_a_new_file_is_for_its_owner_alone(self, home: Home) -> None:
        made(home, "-n", "hospital", "--set", "description=x")
        assert stat.S_IMODE((folder(home) / "hospital.yaml").stat().st_mode) == 0o600
        assert [path.name for path in folder(home).iterdir()] == ["hospital.yaml"]

    def test_every_key_can_be_set_and_has_its_type(self, home: Home) -> None:
        (home.folder / "secret").write_text("x" * 40)
        certificate = home.folder / "ca.pem"
        certificate.write_text("-----BEGIN CERTIFICATE-----\n")
        values: dict[str, Any] = {
            "description": "yes", "type": "test", "ip": "::1", "port": 5001, "api_path": "/a",
            "uri": "postgresql://u:${DB_PASSWORD}@db/x", "allow_drop_all": True,
            "jwt_secret_key": f"file:{home.folder}/secret",
            "logging": {"level": "NOTSET", "file": "010", "use_console": False, "backup_count": 1, "max_size": 17,
                        "format": "%(message)s", "datefmt": "%H:%M", "loggers": [{"name": "a.b", "level": "ERROR"}]},
            "smtp": {"server": "mail.example.org", "port": 25, "username": "me", "password": "${DB_PASSWORD}",
                     "ca_certificates": f"file:{certificate}", "MAIL_USE_SSL": True, "MAIL_USE_TLS": False},
            "support_email": "a@example.org", "email_token_validity_minutes": 5, "token_expires_hours": 0.5,
            "refresh_token_expires_hours": 2, "password_policy": {"max_failed_attempts": 3, "inactivation_minutes": 4},
            "two_factor_auth": True,
            "vpn_server": {"url": "https://v.example.org", "redirect_url": "http://localhost", "client_id": "c",
                           "client_secret": "${DB_PASSWORD}", "portal_username": "p",
                           "portal_userpass": "${DB_PASSWORD}"},
            "image": "a/b:1", "images": {"server": "a/b:1"}, "directories": {"log": "/l", "data": "/d"},
            "driver": "compose", "trusted_proxies": ["10.0.0.7", "10.1.0.0/16"], "max_body_mib": 1,
            "encryption_shape_check": "off", "workers": 3,
        }  # fmt: skip
        defaults = Environment().model_dump(mode="json")
        values |= {name: defaults[name] for name in defaults.keys() - values.keys()}
        words = [word for key, text in _flat(values) for word in ("--set", f"{key}={text}")]
        done = home.here("new", "--user", "-n", "all", "-e", "dev", *words, DB_PASSWORD="hidden")
        assert done.returncode == 0, done.stderr
        assert written(home, "all")["environments"]["dev"] == values
        assert read_environment(folder(home) / "all.yaml", None, {"DB_PASSWORD": "hidden"}).warnings

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("prt=1", "--set prt: there is no such key. Did you mean port?"),
            ("logging.levle=INFO", "--set logging.levle: there is no such key. Did you mean level?"),
            ("level=INFO", "--set level: there is no such key here. Did you mean logging.level?"),
            ("port=many", "--set port: found the text 'many', expected a whole number"),
            ("allow_drop_all=perhaps", "--set allow_drop_all: found the text 'perhaps', expected true or false"),
            ("rabbitmq_uri=amqp://x", "nothing here uses RabbitMQ"),
            ("smtp=localhost", "expected a group of the keys server, port"),
            ("vpn_server.url=https://x.example.org", "--set vpn_server.client_secret: this key is missing"),
            ("jwt_secret_key=file:nowhere", "there is no such file"),
            ("jwt_secret_key=short", "a secret of 32 bytes or more"),
            ("jwt_secret_key=6f9619ff-8b86-d011-b42d-00c04fc964ff", "it is a UUID"),
            ("port", "there is no = behind a key"),
            ("description=again", "this key is set twice"),
            ("refresh_token_expires_hours=1", "more hours than token_expires_hours"),
        ],
    )
    def test_what_cannot_be_set_is_told_and_nothing_is_written(self, home: Home, setting: str, said: str) -> None:
        done = home.here("new", "--user", "-n", "hospital", "--set", "description=x", "--set", setting)
        assert done.returncode == 4
        assert said in done.stderr
        assert not folder(home).exists()

    def test_a_secret_on_the_command_line_is_warned_of_and_one_in_a_file_is_not(self, home: Home) -> None:
        secret = token_urlsafe(32)
        done = made(home, "-n", "one", "--set", "description=x", "--set", f"jwt_secret_key={secret}")
        assert "warning: jwt_secret_key stood on the command line" in done.stderr
        assert secret not in done.stdout + done.stderr
        folder(home).joinpath("key").write_text(token_urlsafe(32))
        done = made(home, "-n", "two", "--set", "description=x", "--set", "jwt_secret_key=file:key")
        assert "command line" not in done.stderr

    @pytest.mark.parametrize("name", ["a/b", "..", "ä", "", "x.yaml", "x" * 65])
    def test_a_name_that_cannot_be_is_refused(self, home: Home, name: str) -> None:
        done = home.here("new", "--user", "-n", name, "--set", "description=x")
        assert done.returncode == 4
        assert "cannot be: it may" in done.stderr

    def test_a_folder_that_cannot_be_made_is_told(self, home: Home) -> None:
        done = home.here("new", "--user", "--name", "a", "--set", "description=x", XDG_CONFIG_HOME="/proc/x")
        assert done.returncode == 1
        assert "/proc/x/dataquality/server/a.yaml cannot be written" in done.stderr
        assert "hint: " in done.stderr

    def test_an_environment_that_does_not_exist_is_told_with_the_nearest(self, home: Home) -> None:
        done = home.here("new", "--user", "-n", "x", "-e", "prdo", "--set", "description=x")
        assert done.returncode == 4
        assert "Did you mean prod?" in done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="makes an account")
    def test_who_may_not_write_the_systems_folder_is_offered_the_own_one(self) -> None:
        with throw_away_account() as account, new_home(account) as home:
            (home.folder / "etc").mkdir(mode=0o755)
            done = home.vserver("new", "-n", "x", "--set", "description=x")
            assert done.returncode == 2
            assert f"you may not write into {home.folder}/etc/dataquality/server" in done.stderr
            assert "hint: Write it for yourself with `vserver new --user`" in done.stderr
            with at_terminal(home, "new") as terminal:
                assert terminal.end() == 2, "before anything is asked"
            assert home.vserver("new", "--user", "-n", "x", "--set", "description=x").returncode == 0


class TestAFileThatIsThere:
    TEXT = "# of the hospital\nenvironments:\n    prod:  # careful\n        port: 5000\n        # the end\n"

    def put(self, home: Home, text: str) -> Path:
        folder(home).mkdir(parents=True)
        path = folder(home) / "hospital.yaml"
        path.write_bytes(text.encode())
        return path

    def test_a_further_environment_is_added_and_the_rest_stays_byte_for_byte(self, home: Home) -> None:
        path = self.put(home, self.TEXT)
        made(home, "-n", "hospital", "-e", "test", "--set", "description=x", "--set", "port=5001")
        text = path.read_text()
        assert text.startswith(self.TEXT)
        assert read_environment(path, "prod").settings.port == 5000
        assert read_environment(path, "test").settings.port == 5001

    def test_what_is_filled_in_is_never_overwritten(self, home: Home) -> None:
        path = self.put(home, self.TEXT)
        done = home.here("new", "--user", "-n", "hospital", "--set", "description=x")
        assert done.returncode == 1
        assert "has an environment prod already" in done.stderr
        assert "-e" in done.stderr.split("hint: ")[1]
        assert path.read_text() == self.TEXT

    def test_a_file_that_is_wrong_is_told_and_left_alone(self, home: Home) -> None:
        path = self.put(home, "environments:\n  pord: {port: 1}\n")
        done = home.here("new", "--user", "-n", "hospital", "-e", "test", "--set", "description=x")
        assert done.returncode == 4
        assert "hospital.yaml:2: environments.pord: there is no such environment. Did you mean prod?" in done.stderr
        assert path.read_text() == "environments:\n  pord: {port: 1}\n"

    def test_its_mode_stays_but_others_lose_their_rights(self, home: Home) -> None:
        path = self.put(home, self.TEXT)
        path.chmod(0o644)
        made(home, "-n", "hospital", "-e", "test", "--set", "description=x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_a_link_goes_on_leading_to_it(self, home: Home) -> None:
        path = self.put(home, self.TEXT)
        real = home.folder / "elsewhere.yaml"
        path.rename(real)
        path.symlink_to(real)
        made(home, "-n", "hospital", "-e", "test", "--set", "description=x")
        assert path.is_symlink()
        assert "description: x" in real.read_text()

    def test_one_that_can_only_be_changed_by_hand_says_so(self, home: Home) -> None:
        path = self.put(home, "x: &all {prod: {port: 1}}\nenvironments: *all\n".replace("x: &all", "application: &all"))
        before = path.read_text()
        done = home.here("new", "--user", "-n", "hospital", "-e", "test", "--set", "description=x")
        assert done.returncode == 1
        assert "Add environments.test to it by hand" in done.stderr
        assert path.read_text() == before


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(cast(dict[str, Any], value), f"{above}{key}.")
        elif isinstance(value, list):
            yield f"{above}{key}", json.dumps(value)
        else:
            yield f"{above}{key}", str(value)
