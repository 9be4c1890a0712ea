"""The parts of the local driver that need no stack: ports, scripts, order, supervisor's file, boot unit."""

import json
import socket
import subprocess
import sys
import threading
import time
import xmlrpc.client
from pathlib import Path

import pytest

from support.local import Home, driver_of
from support.processes import free_port
from vserver.errors import CommandError
from vserver.stack.local.dependency_order import in_order
from vserver.stack.local.paths import Place
from vserver.stack.local.ports import keep_ports, kept_ports
from vserver.stack.local.programs import script
from vserver.stack.local.supervisor import NoSupervisorError, Supervisor, configuration
from vserver.stack.local.systemd import BootUnit, boot_unit, unit_text
from vserver.stack.placement import STORES
from vserver.stack.plan import Component, ComponentName, PythonModule

ODD = {"A": "100% of 'it' and \"that\"; # $HOME `x` \\", "B": "two\nlines", "C": "{}", "D": ""}


def component(name: ComponentName, *needs: ComponentName) -> Component:
    return Component(name, PythonModule("x"), needs=needs)


def test_a_script_gives_a_program_just_the_variables_and_words_it_was_given(tmp_path: Path) -> None:
    program = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:], os.getcwd()]))"
    odd = tmp_path / "a folder's name; with #"
    odd.mkdir()
    file = tmp_path / "run.sh"
    file.write_text(script([sys.executable, "-c", program, *ODD.values()], ODD, odd, "Shows."))
    done = subprocess.run(["/bin/sh", str(file)], capture_output=True, text=True, check=True, env={"LEAK": "1"})
    environment, words, folder = json.loads(done.stdout)
    assert {name: value for name, value in environment.items() if name != "LC_CTYPE"} == ODD
    assert words == list(ODD.values())
    assert folder == str(odd)


def test_each_server_of_data_gets_a_port_of_its_own(tmp_path: Path) -> None:
    chosen = keep_ports(tmp_path / "ports.json", 5000)
    assert len(set(chosen.values())) == len(chosen) == len(STORES)
    assert kept_ports(tmp_path / "ports.json") == chosen


def test_ports_stay_until_another_takes_one(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    # Of those that the system gives to nobody else meanwhile.
    first = {name: free_port() for name in STORES}
    file.write_text(json.dumps(first))
    assert keep_ports(file, 5000) == first
    with socket.socket() as held:
        held.bind(("127.0.0.1", first["redis"]))
        held.listen()
        second = keep_ports(file, 5000)
    assert second["redis"] != first["redis"]
    assert {name: port for name, port in second.items() if name != "redis"} == {
        name: port for name, port in first.items() if name != "redis"
    }


def test_a_spoilt_ports_file_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"redis": "x"')
    assert len(keep_ports(tmp_path / "ports.json", 5000)) == len(STORES)


def test_a_server_of_data_takes_no_port_that_any_connection_may_get_nor_the_published_one(tmp_path: Path) -> None:
    lent = range(*map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()))
    file = tmp_path / "ports.json"
    first = keep_ports(file, 5000)
    assert not set(first.values()) & set(lent)
    second = keep_ports(file, first["postgres"])
    assert first["postgres"] not in second.values()
    with socket.socket() as connection:
        connection.bind(("127.0.0.1", 0))
        file.write_text(json.dumps(second | {"redis": connection.getsockname()[1]}))
    assert not set(keep_ports(file, 5000).values()) & set(lent)


def test_each_component_starts_after_what_it_needs() -> None:
    done: list[str] = []
    parts = [
        component("redis"),
        component("migrate", "redis"),
        component("auth", "migrate"),
        component("beat", "migrate"),
    ]
    in_order(parts, lambda part, _: done.append(part.name))
    assert done[:2] == ["redis", "migrate"]
    assert sorted(done[2:]) == ["auth", "beat"]


def test_the_first_failure_is_told_and_ends_the_others() -> None:
    begun: list[str] = []

    def work(part: Component, stop: threading.Event) -> None:
        begun.append(part.name)
        if part.name == "migrate":
            raise CommandError("the cause")
        if part.name == "beat":
            assert stop.wait(60)

    parts = [component("beat"), component("redis"), component("migrate", "redis"), component("auth", "migrate")]
    with pytest.raises(CommandError, match="the cause"):
        in_order(parts, work)
    assert "auth" not in begun


def test_a_path_that_supervisor_cannot_read_back_is_refused(tmp_path: Path) -> None:
    text = configuration([component("auth")], tmp_path / "s", {"auth": tmp_path / "50% full"})
    assert f"stdout_logfile={tmp_path}/50%% full" in text
    with pytest.raises(CommandError, match="supervisor cannot use this path"):
        configuration([component("auth")], tmp_path / "s", {"auth": tmp_path / "a ;b"})


def test_a_supervisor_that_stands_still_for_a_while_is_not_taken_for_gone(tmp_path: Path) -> None:
    """Its stack would be ended as one that nobody keeps."""
    body = xmlrpc.client.dumps((7,), methodresponse=True).encode()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()

        def answer_late() -> None:
            caller, _ = listening.accept()
            with caller:
                time.sleep(11)
                caller.recv(65_536)
                caller.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

        answering = threading.Thread(target=answer_late)
        answering.start()
        assert Supervisor(tmp_path / "s").pid() == 7
        answering.join()
    with pytest.raises(NoSupervisorError):
        Supervisor(tmp_path / "s").pid()


def test_a_long_folder_gets_its_socket_elsewhere_and_others_do_not(tmp_path: Path) -> None:
    assert Place("i", Path("/srv/x"), tmp_path).socket == Path("/srv/x/run/supervisor.sock")
    one, two = (Place("i", Path(f"/srv/{letter * 200}"), tmp_path).socket for letter in "ab")
    assert len(str(one)) < 100
    assert one != two


def test_the_boot_unit_says_what_to_run_and_how_to_find_the_files(home: Home) -> None:
    name = home.configure("port: 5000")
    instance = driver_of(home, name)[1].instance
    text = unit_text(instance, {"XDG_DATA_HOME": "/a b/100%", "PATH": "/bin"})
    assert 'Environment="XDG_DATA_HOME=/a b/100%%"' in text
    assert "PATH" not in text
    expected = f'"-m" "vserver" "start" "--name" "{name}" "-e" "dev" "--user" "--driver" "local"'
    assert f'ExecStart="{sys.executable}" {expected}' in text
    assert f'"stop" "--name" "{name}" "-e" "dev" "--user"' in text


def test_the_boot_unit_is_enabled_and_disabled(home: Home) -> None:
    instance = driver_of(home, home.configure("port: 5000"))[1].instance
    unit = BootUnit(instance.id, home.folder / "units", is_system=True)
    assert not unit.is_enabled
    unit.enable(unit_text(instance, {}))
    unit.enable(unit_text(instance, {}))
    assert unit.is_enabled
    assert unit.link.resolve() == unit.file
    unit.disable()
    assert not unit.is_enabled
    assert not unit.file.exists()
    assert boot_unit(instance).file.name == f"{instance.id}.service"
