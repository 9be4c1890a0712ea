"""What a right configuration comes to, and which environment of it is meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vserver.config.reader import list_environments, read_environment
from vserver.config.schema import Environment
from vserver.errors import ConfigurationError

EXAMPLE = Path(__file__).parent / "data" / "example-config.yaml"
STRONG = "0123456789abcdef0123456789abcdef"
Write = Callable[[str], Path]


def value_of(environment: Environment, key: str) -> object:
    secret = getattr(environment, key)
    return secret.get_secret_value() if secret is not None else None


def test_the_manuals_example_loads_as_it_stands() -> None:
    loaded = read_environment(EXAMPLE, "test")
    settings = loaded.settings
    assert (loaded.name, settings.description, settings.type, settings.port) == ("test", "Test", "test", 5000)
    assert (settings.ip, settings.api_path, settings.allow_drop_all) == ("0.0.0.0", "/api", True)
    assert value_of(settings, "uri") == "sqlite:///test.sqlite"
    assert value_of(settings, "jwt_secret_key") == "super-secret-key!"
    assert (settings.logging.level, settings.logging.file, settings.logging.max_size) == ("DEBUG", "test.log", 1024)
    assert settings.smtp is not None and settings.smtp.password.get_secret_value() == "super-secret-password"
    assert settings.vpn_server is not None and settings.vpn_server.redirect_url == "http://localhost"


def test_the_manuals_example_warns_of_what_does_not_work_yet_and_of_its_secret() -> None:
    keys = [warning.split(": ")[1].removeprefix("environments.test.") for warning in read_environment(EXAMPLE).warnings]
    assert keys == [
        "jwt_secret_key",
        "vpn_server",
        "not filled in, so they cannot be started",
    ]


def test_a_port_alone_makes_an_environment(write: Write) -> None:
    loaded = read_environment(write("environments: {prod: {port: 5000}}"))
    settings = loaded.settings
    assert loaded.warnings == []
    assert (loaded.name, settings.type, settings.ip, settings.api_path) == ("prod", "prod", "0.0.0.0", "/api")
    assert (settings.uri, settings.jwt_secret_key, settings.smtp, settings.driver) == (None, None, None, None)
    assert (settings.allow_drop_all, settings.two_factor_auth, settings.workers) == (False, False, 2)
    assert (settings.token_expires_hours, settings.refresh_token_expires_hours) == (6, 48)
    assert (settings.logging.level, settings.logging.file, settings.logging.backup_count) == ("INFO", None, 5)


@pytest.mark.parametrize("name", ["dev", "test", "acc", "prod"])
def test_the_type_is_the_name_of_the_environment_unless_given(write: Write, name: str) -> None:
    assert read_environment(write(f"environments: {{{name}: {{port: 1}}}}")).settings.type == name
    assert read_environment(write(f"environments: {{{name}: {{type: dev}}}}")).settings.type == "dev"


def test_an_application_is_of_type_prod(write: Write) -> None:
    loaded = read_environment(write("application: {port: 1}"))
    assert (loaded.name, loaded.settings.type) == ("application", "prod")


def test_access_tokens_of_a_test_environment_last_a_day_unless_given(write: Write) -> None:
    assert read_environment(write("environments: {test: {port: 1}}")).settings.token_expires_hours == 24
    assert read_environment(write("environments: {dev: {type: test}}")).settings.token_expires_hours == 24
    given = read_environment(write("environments: {test: {token_expires_hours: 2}}"))
    assert given.settings.token_expires_hours == 2


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("sqlite:///x.sqlite", "sqlite:///x.sqlite"),
        ("sqlite:////srv/x.sqlite", "sqlite:////srv/x.sqlite"),
        ("postgres://u:p@host/d", "postgresql://u:p@host/d"),
        ("postgresql://u:p%40@[::1]:5432/d?sslmode=require", "postgresql://u:p%40@[::1]:5432/d?sslmode=require"),
    ],
)
def test_databases_are_read_in_one_spelling(write: Write, uri: str, read: str) -> None:
    settings = read_environment(write(f"environments:\n  prod:\n    uri: {uri}\n")).settings
    assert value_of(settings, "uri") == read


def test_smtp_speaks_starttls_unless_it_speaks_tls_from_the_start(write: Write) -> None:
    plain = read_environment(write("application: {smtp: {server: mail}}")).settings.smtp
    wrapped = read_environment(write("application: {smtp: {MAIL_USE_SSL: true}}")).settings.smtp
    assert plain is not None and (plain.mail_use_tls, plain.mail_use_ssl) == (True, False)
    assert wrapped is not None and (wrapped.mail_use_tls, wrapped.mail_use_ssl) == (False, True)


def test_numbers_may_be_written_as_text(write: Write) -> None:
    assert read_environment(write("application: {port: '8080', token_expires_hours: '1.5'}")).settings.port == 8080


def test_an_environment_may_build_on_another_one(write: Write) -> None:
    path = write("environments:\n  test: &t\n    port: 1\n    workers: 3\n  dev:\n    <<: *t\n    port: 2\n")
    settings = read_environment(path, "dev").settings
    assert (settings.port, settings.workers, settings.type) == (2, 3, "dev")


def test_the_image_may_be_named_under_either_key(write: Write) -> None:
    assert read_environment(write("application: {image: a}")).settings.server_image == "a"
    assert read_environment(write("application: {images: {server: b}}")).settings.server_image == "b"


# Which environment


def test_the_only_environment_filled_in_is_the_one_that_is_meant(write: Write) -> None:
    path = write("application: {}\nenvironments: {prod: {}, acc: ..., test: {port: 1}, dev: }\n")
    assert read_environment(path).name == "test"


def test_prod_is_meant_where_several_are_filled_in(write: Write) -> None:
    assert read_environment(write("environments: {test: {port: 1}, prod: {port: 2}}")).name == "prod"


def test_without_prod_among_several_the_answer_names_them(write: Write) -> None:
    path = write("application: {port: 1}\nenvironments: {test: {port: 1}, prod: {}}\n")
    with pytest.raises(ConfigurationError, match=r"application, test. Choose with -e application or -e test"):
        read_environment(path)


@pytest.mark.parametrize("section", ["...", "{}", "", "null"])
def test_a_placeholder_cannot_be_started(write: Write, section: str) -> None:
    path = write(f"environments:\n  test: {{port: 1}}\n  prod: {section}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_environment(path, "prod")
    assert str(caught.value) == (
        f"{path}:3: environments.prod: this environment is not filled in: it is only a placeholder. "
        "Filled in: test. Choose with -e test"
    )


def test_an_environment_that_is_not_in_the_file_cannot_be_started(write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"the file has no environment acc. Filled in: prod. Choose with -e"):
        read_environment(write("environments: {prod: {port: 1}}"), "acc")


def test_a_name_that_no_environment_has_is_refused_with_the_nearest(write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no environment called 'tests'. Did you mean test\?"):
        read_environment(write("environments: {prod: {port: 1}}"), "tests")


# Warnings


def test_what_is_wrong_with_another_environment_is_only_a_warning(write: Write) -> None:
    path = write("environments:\n  prod: {port: 1}\n  test:\n    port: x\n    prot: 1\n  dev: {port: 2, port: 3}\n")
    loaded = read_environment(path, "prod")
    assert loaded.warnings == [
        f"{path}:3: environments.test: this environment cannot be started as it stands (2 wrong); the first: "
        f"{path}:4: environments.test.port: found the text 'x', expected a whole number. For example 5000",
        f"{path}:6: environments.dev: this environment cannot be started as it stands (1 wrong); the first: "
        f"{path}:6: environments.dev.port: this key stands twice, first on line 6. Remove one of the two",
    ]


def test_references_of_another_environment_are_not_followed(write: Write) -> None:
    path = write("environments: {prod: {port: 1}, test: {port: '${ABSENT}', jwt_secret_key: 'file:absent'}}")
    assert read_environment(path, "prod", {}).warnings == []


WEAK = {
    "hunter2": "it has fewer than 32 bytes",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "it is a placeholder that everybody knows",
    "a-string-secret-at-least-256-bits-long": "it is a placeholder that everybody knows",
    "6f9619ff-8b86-d011-b42d-00c04fc964ff": "it is a UUID, which names things and is made to be unique, not secret",
    "abababababababababababababababababababab": "it is made of few different characters",
}


@pytest.mark.parametrize("name", ["dev", "test"])
@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_secret_is_only_a_warning_where_nothing_is_at_stake(write: Write, name: str, secret: str) -> None:
    path = write(f"environments:\n  {name}:\n    jwt_secret_key: {secret}\n")
    loaded = read_environment(path)
    assert loaded.warnings == [
        f"{path}:3: environments.{name}.jwt_secret_key: this secret is easy to guess: {WEAK[secret]}. "
        "Remove the line and a strong one is made and kept"
    ]


@pytest.mark.parametrize("name", ["acc", "prod"])
@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_secret_of_a_variable_or_a_file_is_refused_where_something_is_at_stake(
    write: Write, tmp_path: Path, name: str, secret: str
) -> None:
    (tmp_path / "key").write_text(f"{secret}\n")
    for reference in ("${KEY}", f"file:{tmp_path}/key"):
        path = write(f"environments: {{{name}: {{jwt_secret_key: '{reference}'}}}}")
        with pytest.raises(ConfigurationError, match=WEAK[secret]) as refused:
            read_environment(path, None, {"KEY": secret})
        assert secret not in str(refused.value)


@pytest.mark.parametrize("name", ["acc", "prod"])
def test_a_strong_secret_is_taken_where_something_is_at_stake(write: Write, name: str) -> None:
    loaded = read_environment(write(f"environments: {{{name}: {{jwt_secret_key: '{STRONG}'}}}}"))
    assert loaded.warnings == []
    assert value_of(loaded.settings, "jwt_secret_key") == STRONG


def test_no_secret_shows_when_settings_are_printed(write: Write) -> None:
    path = write(f"application: {{jwt_secret_key: '{STRONG}', uri: 'postgresql://u:hunter2@h/d'}}")
    printed = repr(read_environment(path))
    assert STRONG not in printed
    assert "hunter2" not in printed


# References


def test_variables_and_files_stand_for_values(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "jwt").write_text(f"{STRONG}\n")
    path = write(
        "application:\n"
        "  jwt_secret_key: file:${FOLDER}/jwt\n"
        "  uri: postgresql://u:${PASSWORD}@${HOST:-localhost}/d\n"
        "  port: ${PORT}\n"
        "  description: ${EMPTY:-nothing} and ${EMPTY} and $${PORT} and $PORT\n"
    )
    variables = {"FOLDER": "secrets", "PASSWORD": "hunter2", "PORT": "8080", "EMPTY": ""}
    settings = read_environment(path, None, variables).settings
    assert value_of(settings, "jwt_secret_key") == STRONG
    assert value_of(settings, "uri") == "postgresql://u:hunter2@localhost/d"
    assert (settings.port, settings.description) == (8080, "nothing and  and ${PORT} and $PORT")


def test_a_file_keeps_all_but_the_newline_at_its_end(write: Write, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(" two\nlines \n\n")
    assert read_environment(write("application: {description: 'file:text'}")).settings.description == " two\nlines \n"


def test_what_a_variable_holds_is_no_reference_itself(write: Write, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("read")
    path = write("application: {description: '${A}', support_email: '${B}'}")
    settings = read_environment(path, None, {"A": "file:text", "B": "${A}@example.org"}).settings
    assert (settings.description, settings.support_email) == ("file:text", "${A}@example.org")


def test_a_value_behind_a_reference_is_not_shown_when_it_is_wrong(write: Write) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_environment(write("application: {port: '${PORT}'}"), None, {"PORT": "hunter2"})
    assert "port: found text of 7 characters, expected a whole number" in str(caught.value)
    assert "hunter2" not in str(caught.value)


# Lists


def test_a_list_of_environments_tells_their_states(write: Write) -> None:
    path = write(
        "application: ...\nenvironments: {prod: {port: 1}, acc: {port: x}, test: {<<: 5}, dev: {port: '${ABSENT}'}}\n"
    )
    assert [(summary.name, summary.state, len(summary.problems)) for summary in list_environments(path)] == [
        ("application", "empty", 0),
        ("prod", "filled", 0),
        ("acc", "broken", 1),
        ("test", "broken", 1),
        ("dev", "filled", 0),
    ]


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "ui: 1\n"])
def test_a_list_of_a_broken_file_tells_what_is_wrong(write: Write, text: str) -> None:
    summaries = list_environments(write(text))
    assert [(summary.name, summary.state, len(summary.problems)) for summary in summaries] == [(None, "broken", 1)]
