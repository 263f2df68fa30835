"""Settings: where each comes from, which source wins, and what is said of a wrong one."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from pfn.protocol.errors import Code, PfnError
from pfn.settings import Settings, load_settings, mask

KEY = "k" * 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    return tmp_path


def refuse(flags: dict[str, object], environment: dict[str, str]) -> str:
    with pytest.raises(PfnError) as caught:
        load_settings(flags, environment)
    assert caught.value.code is Code.CONFIG_INVALID
    return caught.value.detail


def test_by_default_everything_is_at_its_default(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    loaded = load_settings({}, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins) == set(Settings.model_fields)
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.settings.address == "http://127.0.0.1:8080"
    assert loaded.settings.master_key_text is None


def test_every_setting_says_what_it_means():
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_the_strongest_source_wins_and_is_told(folder: Path):
    """flag > environment > secret file > TOML > default, one layer taken away after the other."""
    toml, secret = folder / "pfn.toml", folder / "secrets" / "host"
    toml.write_text('host = "from-toml"\n')
    secret.write_text("from-secret\n")
    flags: dict[str, object] = {"data": folder, "host": "from-flag"}
    environment = {"PFN_SECRETS_DIR": str(folder / "secrets"), "PFN_HOST": "from-environment"}

    def found() -> tuple[str, str]:
        loaded = load_settings(flags, environment)
        return loaded.settings.host, loaded.origins["host"]

    assert found() == ("from-flag", "--host")
    flags["host"] = None
    assert found() == ("from-environment", "PFN_HOST")
    del environment["PFN_HOST"]
    assert found() == ("from-secret", str(secret))
    secret.unlink()
    assert found() == ("from-toml", str(toml))
    toml.unlink()
    assert found() == ("127.0.0.1", "default")


def test_sources_add_up(folder: Path):
    (folder / "pfn.toml").write_text("port = 1\nallow_ports = [443, 8443]\nallow_unsigned = true\n")
    (folder / "secrets" / "master_key").write_text(KEY + "\n")
    (folder / "secrets" / "somebody-elses-secret").write_text("not ours")
    environment = {"PFN_SECRETS_DIR": str(folder / "secrets"), "PFN_MAX_ZIP_BYTES": "5", "PFN_DATA": str(folder)}
    loaded = load_settings({"allow_unsigned": False}, environment)
    settings = loaded.settings
    assert (settings.port, settings.allow_ports, settings.max_zip_bytes) == (1, (443, 8443), 5)
    assert settings.allow_unsigned is False
    assert settings.master_key_text == KEY
    told = {name: origin for name, origin in loaded.origins.items() if origin != "default"}
    assert told == {
        "data": "PFN_DATA",
        "port": str(folder / "pfn.toml"),
        "allow_ports": str(folder / "pfn.toml"),
        "allow_unsigned": "--allow-unsigned",
        "max_zip_bytes": "PFN_MAX_ZIP_BYTES",
        "master_key": str(folder / "secrets" / "master_key"),
    }


def test_the_configuration_file_can_be_anywhere(folder: Path):
    other = folder / "other.toml"
    other.write_text("port = 7\n")
    (folder / "pfn.toml").write_text("port = 1\n")
    assert load_settings({"data": folder}, {"PFN_CONFIG": str(other)}).settings.port == 7
    other.unlink()
    assert str(other) in refuse({"data": folder}, {"PFN_CONFIG": str(other)})


@pytest.mark.parametrize("where", ["environment", "secret", "toml"])
def test_lists_are_written_with_commas_wherever_they_come_from(folder: Path, where):
    environment = {"PFN_DATA": str(folder), "PFN_SECRETS_DIR": str(folder / "secrets")}
    for name, text in {"allow_hosts": "a.example, b.example,", "allow_ports": " 443 ,8443"}.items():
        if where == "environment":
            environment[f"PFN_{name.upper()}"] = text
        elif where == "secret":
            (folder / "secrets" / name).write_text(text + "\n")
        else:
            with (folder / "pfn.toml").open("a") as file:
                file.write(f'{name} = "{text}"\n')
    settings = load_settings({}, environment).settings
    assert settings.allow_hosts == ("a.example", "b.example")
    assert settings.allow_ports == (443, 8443)


def test_an_empty_list_is_an_empty_list(folder: Path):
    settings = load_settings({"data": folder}, {"PFN_ALLOW_HOSTS": "", "PFN_ALLOW_PORTS": ""}).settings
    assert (settings.allow_hosts, settings.allow_ports) == ((), ())


def test_an_unknown_setting_is_named_with_its_file(folder: Path):
    (folder / "pfn.toml").write_text("prot = 80\n")
    detail = refuse({"data": folder}, {})
    assert "'prot'" in detail
    assert str(folder / "pfn.toml") in detail


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PFN_PORT": "many"}, ("PFN_PORT", "port", "integer")),
        ({"PFN_PORT": "65536"}, ("PFN_PORT", "65535")),
        ({"PFN_PORT": ""}, ("PFN_PORT", "integer")),
        ({"PFN_ALLOW_UNSIGNED": "perhaps"}, ("PFN_ALLOW_UNSIGNED", "boolean")),
        ({"PFN_ALLOW_PORTS": "443,https"}, ("PFN_ALLOW_PORTS", "integer")),
        ({"PFN_MAX_ZIP_BYTES": "0"}, ("PFN_MAX_ZIP_BYTES", "1")),
        ({"PFN_TRUSTED_PROXIES": "10.0.0.0/33"}, ("PFN_TRUSTED_PROXIES", "10.0.0.0/33", "network")),
        ({"PFN_TRUSTED_PROXIES": "10.0.0.1, proxy.example"}, ("PFN_TRUSTED_PROXIES", "proxy.example", "network")),
        ({"PFN_LOG_LEVEL": "loud"}, ("PFN_LOG_LEVEL", "debug", "info", "warning", "error")),
        ({"PFN_LOG_FORMAT": "xml"}, ("PFN_LOG_FORMAT", "console", "json")),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(folder: Path, environment, words):
    detail = refuse({"data": folder}, environment)
    for word in words:
        assert word in detail
    assert detail.endswith(".")
    assert "\n" not in detail


@pytest.mark.parametrize("text", ['port = "many"', "port = 1.5", "host = 5", "master_key = 5", "allow_hosts = 5"])
def test_a_wrong_type_in_the_file_names_the_file(folder: Path, text):
    (folder / "pfn.toml").write_text(text)
    detail = refuse({"data": folder}, {})
    assert detail.startswith(f"{folder / 'pfn.toml'}: {text.split()[0]}: ")


def test_the_sentence_about_a_wrong_secret_does_not_tell_it(folder: Path):
    (folder / "pfn.toml").write_text('master_key = ["hunter2"]')
    assert "hunter2" not in refuse({"data": folder}, {})
    assert "hunter2" not in refuse({"data": folder}, {"PFN_MASTER_KEY": "hunter2"})


@pytest.mark.parametrize("content", [b"port = ", b"port = 1\nport = 2\n", b"\xff\xfe", "host = 'ü'".encode("latin-1")])
def test_a_broken_file_is_named(folder: Path, content):
    (folder / "pfn.toml").write_bytes(content)
    assert str(folder / "pfn.toml") in refuse({"data": folder}, {})


def test_a_file_that_cannot_be_read_is_named(folder: Path):
    (folder / "pfn.toml").mkdir()
    assert str(folder / "pfn.toml") in refuse({"data": folder}, {})


def test_a_folder_of_secrets_that_is_not_there_is_named(folder: Path):
    environment = {"PFN_SECRETS_DIR": str(folder / "nowhere")}
    detail = refuse({"data": folder}, environment)
    assert "PFN_SECRETS_DIR" in detail
    assert str(folder / "nowhere") in detail


@pytest.mark.parametrize("key", ["", "short", "k" * 23])
def test_a_weak_master_key_is_refused(folder: Path, key):
    detail = refuse({"data": folder}, {"PFN_MASTER_KEY": key})
    assert detail.startswith("PFN_MASTER_KEY: master_key: ")
    assert "24" in detail
    assert key not in detail or not key


def test_a_long_enough_master_key_is_taken(folder: Path):
    assert load_settings({"data": folder}, {"PFN_MASTER_KEY": KEY}).settings.master_key_text == KEY


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({"host": "0.0.0.0", "port": 9}, "http://0.0.0.0:9"),
        ({"public_url": "https://plugins.example.com/"}, "https://plugins.example.com"),
        ({"public_url": "https://plugins.example.com/pfn", "port": 9}, "https://plugins.example.com/pfn"),
        ({"host": "::1", "port": 9}, "http://[::1]:9"),
    ],
)
def test_the_address_is_where_clients_reach_the_node(changes, address):
    assert Settings(**changes).address == address


def test_secrets_are_masked_and_the_rest_is_shown():
    settings = Settings(
        master_key=SecretStr(KEY), database_url=SecretStr("postgresql+psycopg://me:hunter2@db/pfn"), data=Path("/srv")
    )
    shown = {name: mask(settings, name) for name in Settings.model_fields}
    assert shown["master_key"] == shown["database_url"] == "********"
    assert KEY not in repr(shown) + repr(settings) + str(settings)
    assert "hunter2" not in repr(shown) + repr(settings) + str(settings)
    assert shown["data"] == "/srv"
    assert shown["allow_ports"] == [443]
    assert shown["port"] == 8080
    assert shown["public_url"] is None
    # What was not given has nothing to hide.
    assert mask(Settings(), "master_key") is None
