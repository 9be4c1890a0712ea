"""Whatever a file holds, the reader answers with an environment or with what is wrong."""

from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vserver.config.keys import KEYS
from vserver.config.reader import list_environments, read_environment
from vserver.errors import ConfigurationError

KEY = st.sampled_from(sorted({names[-1] for names in KEYS} | {"application", "environments", "prod", "test", "ui"}))
TEXT = st.text(max_size=20) | st.sampled_from(
    ["...", "${X}", "${X", "$${", "file:x", "file:", "sqlite:///x", "a@b", "::"]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.dates()
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY | TEXT, inner, max_size=4), max_leaves=20
)
ENVIRONMENT = st.dictionaries(KEY, VALUE, max_size=8)
CONFIGURATION = st.fixed_dictionaries({}, optional={"application": VALUE, "environments": st.dictionaries(KEY, VALUE)})
FRAGMENTS = st.lists(
    st.sampled_from(
        ["application:", " ", "\n", "  ", "prod", ":", "- ", "&a ", "*a", "<<", "!x ", "!!int ", "!!float ", "?"]
    )
    | st.sampled_from(
        ['"', "'", "\\U", "\\ud800", "{", "}", "[", "]", ",", "|", ">", "%YAML", "---", "...", "\t", "#", "."]
    )
    | st.text(max_size=3),
    max_size=30,
)


def never_crashes(content: bytes) -> None:
    with TemporaryDirectory(prefix="dq-config-") as folder:
        path = Path(folder, "server.yaml")
        path.write_bytes(content)
        for environment in (None, "prod"):
            try:
                read_environment(path, environment, {})
            except ConfigurationError as error:
                assert error.problems
                assert str(error).startswith(str(path))
        list_environments(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    never_crashes(content)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FRAGMENTS)
def test_no_text_crashes_the_reader(fragments: list[str]) -> None:
    never_crashes("".join(fragments).encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ENVIRONMENT)
def test_no_value_of_a_key_crashes_the_reader(environment: dict[str, object]) -> None:
    never_crashes(yaml.safe_dump({"environments": {"prod": environment}}).encode())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGURATION)
def test_no_layout_crashes_the_reader(configuration: dict[str, object]) -> None:
    never_crashes(yaml.safe_dump(configuration).encode())
