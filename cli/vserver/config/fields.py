"""The kinds of value a configuration holds: each says what it expects when it is given something else."""

import ipaddress
import logging
import re
import time
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StrictBool
from pydantic_core import PydanticCustomError

from vserver.config import database
from vserver.config.names import JSON_LINES


class Section(BaseModel):
    """A group of keys. Unknown ones are refused; what was read never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_by_alias=True)


def refusal(expected: str, hint: str = "") -> PydanticCustomError:
    """An error that the reader turns into `found ..., expected <expected>. <hint>`."""
    return PydanticCustomError("refused", "expected {expected}", {"expected": expected, "hint": hint})


def preset(values: object, defaults: dict[str, object], where: tuple[str, object]) -> object:
    """Put `defaults` under the given values when the key `where[0]` was given as `where[1]`."""
    if not isinstance(values, dict):
        return values
    given = cast(dict[str, object], values)
    return {**defaults, **given} if given.get(where[0]) == where[1] else given


def _whole_number(value: object) -> object:
    """References give text, so digits are as good as a number."""
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refusal("a whole number")
    return value


def _number(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", value):
        return float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise refusal("a number")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise refusal("text that is not empty", "Write a value, or remove the line")
    return value


def _secret_not_blank(value: SecretStr) -> SecretStr:
    _not_blank(value.get_secret_value())
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        hint = {
            "localhost": "Write 127.0.0.1 to be reachable from this machine only",
            "*": "Write 0.0.0.0 to listen on all interfaces",
        }.get(
            value,
            "Write 0.0.0.0 to listen on all interfaces, or 127.0.0.1 to be reachable from this machine only",
        )
        raise refusal("an IP address of this machine, without port or brackets", hint) from None


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise refusal("an IP address or a network", _network_remedy(value)) from None


def _network_remedy(value: str) -> str:
    try:
        return f"Its address lies inside the network: write {ipaddress.ip_network(value, strict=False)}"
    except ValueError:
        return "For example 10.0.0.7 or 172.17.0.0/16"


def _api_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value) or re.search(r"/\.{1,2}(/|$)", value):
        raise refusal(
            "a path that starts with / and does not end with one, of letters, digits and . _ ~ -",
            "For example /api",
        )
    if value == "/socket.io" or value.startswith("/socket.io/"):
        raise refusal("another path than /socket.io", "Nodes receive their events there; take for example /api")
    if value in ("/internal", "/gateway-health") or value.startswith("/internal/"):
        raise refusal(f"another path than {value}", "The server's own parts meet there; take for example /api")
    return value


def _file_name(value: str) -> str:
    if not re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]{1,200}", value) or not value.strip(". "):
        raise refusal(
            "the name of a file, without folders, of at most 200 characters",
            "Choose the folder with the key directories.log",
        )
    return value


def _folder(value: Path) -> Path:
    if "\0" in str(value) or not value.is_absolute():
        raise refusal("the full path of a folder", "Start it at the root; write ${HOME} where you mean ~")
    return value


def _log_format(value: str) -> str:
    if value == JSON_LINES:
        return value
    record = logging.LogRecord("name", logging.INFO, "path", 1, _PROBE, None, None)
    # What only newer Pythons know would fail in the server's image.
    record.__dict__.pop("taskName", None)
    try:
        line = "" if _TOO_WIDE.search(value) else logging.Formatter(value).format(record)
    except (ValueError, KeyError, TypeError):
        line = ""
    if _PROBE not in line or not value.isprintable():
        raise refusal(
            "json, or one line in the form that Python's logging takes, with %(message)s and fields such as "
            "%(asctime)s, %(name)s and %(levelname)s",
            "Each field ends with a letter: %(message)s. The context (request_id=...) follows by itself",
        )
    return value


def _date_format(value: str) -> str:
    try:
        time.strftime(value)
    except ValueError:
        raise refusal("a date format of Python's strftime", "For example %Y-%m-%d %H:%M:%S") from None
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", value):
        raise refusal("the name or address of a host, without scheme or port", "For example smtp.example.org")
    return value


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,253}", value):
        raise refusal("an e-mail address", "For example support@example.org")
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", value)
    except ValueError:
        good = False
    if not good:
        raise refusal("a web address that starts with https:// or http://", "For example https://vpn.example.org")
    return value


def _image(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}", value):
        raise refusal("the name of a container image", "For example registry.example.org/dataquality-server:1.0")
    return value


def _database(value: SecretStr) -> SecretStr:
    try:
        return SecretStr(database.normalised(value.get_secret_value()))
    except database.AddressError as error:
        raise refusal(error.expected, error.hint) from None


def _off_is_a_word(value: object) -> object:
    """YAML takes a plain `off` for the boolean."""
    return "off" if value is False else value


_TOO_WIDE = re.compile(r"\)[^A-Za-z]*[0-9]{4}")
_PROBE = "\x00message\x00"
LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET"]
ShapeCheck = Annotated[Literal["off", "warn", "refuse"], BeforeValidator(_off_is_a_word)]
Flag = StrictBool
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_whole_number)]
Count = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_whole_number)]
Workers = Annotated[int, Field(ge=1, le=1024), BeforeValidator(_whole_number)]
Instances = Annotated[int, Field(ge=1, le=16), BeforeValidator(_whole_number)]
BodySize = Annotated[int, Field(ge=1, le=512), BeforeValidator(_whole_number)]
LogSize = Annotated[int, Field(gt=16, le=10_000_000), BeforeValidator(_whole_number)]
Patience = Annotated[int, Field(ge=5, le=1_000_000), BeforeValidator(_whole_number)]
Hours = Annotated[float, Field(ge=0.5, le=87_600, allow_inf_nan=False), BeforeValidator(_number)]
Text = Annotated[str, AfterValidator(_not_blank)]
Secret = Annotated[SecretStr, AfterValidator(_secret_not_blank)]
Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
ApiPath = Annotated[str, AfterValidator(_api_path)]
FileName = Annotated[str, AfterValidator(_file_name)]
Folder = Annotated[Path, AfterValidator(_folder)]
LogFormat = Annotated[str, AfterValidator(_not_blank), AfterValidator(_log_format)]
DateFormat = Annotated[str, AfterValidator(_not_blank), AfterValidator(_date_format)]
Host = Annotated[str, AfterValidator(_host)]
Email = Annotated[str, AfterValidator(_email)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Image = Annotated[str, AfterValidator(_image)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database)]
