"""Settings: where they come from, and how a wrong one is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from soc.errors import SettingsError
from soc.settings import Address, load


def write(folder: Path, text: str) -> Path:
    """Return a settings file with that text."""
    file = folder / "soc.toml"
    file.write_text(text, "utf-8")
    return file


def test_without_anything_the_embedded_defaults_listen_on_loopback() -> None:
    """A first run needs no file."""
    settings = load(None, {})
    assert settings.bus.url.startswith("sqlite:///")
    assert settings.console.listen.host == "127.0.0.1"
    assert {address.host for address in (*settings.collect.udp, *settings.collect.tcp)} == {"127.0.0.1", "::1"}


def test_variables_go_over_the_file(tmp_path: Path) -> None:
    """SOC_BUS__URL is bus.url."""
    file = write(tmp_path, 'site = "district-3"\n[bus]\nurl = "kafka://a:9092"\npartitions = 8\n')
    settings = load(file, {"SOC_BUS__URL": "kafka://b:9092", "HOME": "/root"})
    assert (settings.site, settings.bus.url, settings.bus.partitions) == ("district-3", "kafka://b:9092", 8)


def test_a_variable_may_hold_json() -> None:
    """Lists and tables are written as JSON."""
    settings = load(None, {"SOC_COLLECT__TCP": '[{"host": "::", "port": 514}]'})
    assert settings.collect.tcp == (Address(host="::", port=514),)


def test_an_address_may_be_written_in_one(tmp_path: Path) -> None:
    """HOST:PORT, in a variable, a list and a file, beside the table."""
    assert load(None, {"SOC_CONSOLE__LISTEN": "[::1]:8081"}).console.listen == Address(host="::1", port=8081)
    assert load(None, {"SOC_COLLECT__TCP": '["h:514"]'}).collect.tcp == (Address(host="h", port=514),)
    assert load(write(tmp_path, "collect.udp = ['h:514']"), {}).collect.udp == (Address(host="h", port=514),)


def test_a_variable_of_what_is_no_table_in_the_file_is_refused(tmp_path: Path) -> None:
    """The file's mistake is named, not tripped over."""
    with pytest.raises(SettingsError, match=r"SOC_BUS__URL: bus is no table in .*soc\.toml"):
        load(write(tmp_path, "bus = 3"), {"SOC_BUS__URL": "sqlite:///x"})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SOC_BUS__URI": "x"}, r"SOC_BUS__URI: there is no setting bus\.uri; did you mean url\?"),
        ({"SOC_BUS__PARTITIONS": "0"}, r"bus\.partitions: .*greater than or equal to 1"),
        ({"SOC_COLLECT__TCP": "[{"}, "SOC_COLLECT__TCP: looks like JSON"),
        ({"SOC_LOG_LEVEL": "loud"}, "log_level"),
        ({"SOC_NATIONAL__URGENT_LEVEL": "urgent"}, "levels are"),
        ({"SOC_COLLECT__UDP": "127.0.0.1:514"}, r'collect\.udp: .*want a list; in a variable JSON: \["\.\.\."\]'),
        ({"SOC_CONSOLE__LISTEN": "8080"}, r"console\.listen: .*want HOST:PORT"),
        ({"SOC_CONSOLE__LISTEN": "a:99999"}, r"console\.listen\.port: .*less than or equal to 65535"),
        ({"SOC_NATIONAL__URL": "soc.example.org"}, r"national\.url: .*http"),
        (
            {"SOC_RECEIVERS": '[{"kind": "webhook", "name": "a", "url": "ftp://x"}]'},
            r"receivers\.0\.webhook\.url: .*http",
        ),
        ({"SOC_SETTINGS": "/nowhere/soc.toml"}, "/nowhere/soc.toml: cannot be read"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(environment: dict[str, str], message: str) -> None:
    """The message names the variable or the key."""
    with pytest.raises(SettingsError, match=message):
        load(None, environment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[bus]\nuri = 'x'", r"soc\.toml: there is no setting bus\.uri; did you mean url\?"),
        ("bus = = 1", r"soc\.toml: not TOML: .*line 1"),
        ("[[receivers]]\nkind='pigeon'\nname='a'", "receivers"),
        (
            "[[receivers]]\nkind='webhook'\nname='a'\nurl='http://x'\n[[receivers]]\nkind='webhook'\nname='a'\nurl='http://y'",
            "share",
        ),
        ("[[receivers]]\nkind='webhook'\nname='a'\nurl='http://x'\nmin_level='loud'", "levels are"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file and the key."""
    with pytest.raises(SettingsError, match=message):
        load(write(tmp_path, text), {})


def test_settings_are_frozen() -> None:
    """What was read once stays."""
    with pytest.raises(ValidationError):
        load(None, {}).site = "other"  # type: ignore[misc] # that it is refused is the test


def test_secrets_do_not_print() -> None:
    """A settings dump in a log gives nothing away."""
    assert "hunter2" not in repr(load(None, {"SOC_BUS__PASSWORD": "hunter2"}))


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80"])
def test_addresses_read_as_they_print(text: str) -> None:
    """IPv6 hosts stand in brackets."""
    assert str(Address.model_validate(text)) == text


@pytest.mark.parametrize("text", ["", "80", ":80", "a:b"])
def test_an_address_without_host_or_port_is_refused(text: str) -> None:
    """The message says what is wanted."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        Address.model_validate(text)
