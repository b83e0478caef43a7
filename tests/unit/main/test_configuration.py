from pathlib import Path
from typing import get_origin

import pytest

from elanus.configuration import SettingsError, find_file, keys, read_settings
from elanus.model.settings import Credential, ProviderSettings, Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "elanus.yaml"


def test_without_sources_there_are_the_defaults() -> None:
    assert read_settings() == Settings()


def test_each_source_is_stronger_than_the_one_before(file: Path) -> None:
    file.write_text("server: {port: 1, workers: 2}\nwal: {streams: 3}\n")
    environment = {"ELANUS_SERVER_PORT": "4", "ELANUS_SERVER_WORKERS": "5", "HOME": "/"}
    settings = read_settings(file, environment, {"server.port": 6, "server.host": None})
    assert (settings.wal.streams, settings.server.workers, settings.server.port) == (3, 5, 6)
    assert settings.server.host == Settings().server.host


def test_every_key_can_be_set_from_the_environment_as_text() -> None:
    texts = {"bool": "true", "int": "7", "float": "2.5", "str": "text", "Path": "/some/where"}
    for key, hint in keys().items():
        if get_origin(hint) is dict:
            continue
        name = getattr(hint, "__name__", "Path")
        settings = read_settings(None, {"ELANUS_" + key.upper().replace(".", "_"): texts[name]})
        value: object = settings
        for part in key.split("."):
            value = getattr(value, part)
        assert str(value).lower() == texts[name]


def test_mappings_are_read_whole_and_as_json_from_the_environment(file: Path) -> None:
    file.write_text(
        "credential: {team: {apikey: s3cret}}\nfunction: {rerank: {model: {providers: {tei: {enable: false}}}}}\n"
    )
    environment = {"ELANUS_FUNCTIONS_RERANKERS": '{"vllm": {"credential": "team"}}'}
    assert read_settings(file).functions.rerankers == {"tei": ProviderSettings(enable=False)}
    functions = read_settings(file, environment).functions
    assert functions.credentials == {"team": Credential("s3cret")}
    assert functions.rerankers == {"vllm": ProviderSettings(credential="team")}
    assert "s3cret" not in repr(functions)
    with pytest.raises(SettingsError, match="ELANUS_FUNCTIONS_RERANKERS"):
        read_settings(None, {"ELANUS_FUNCTIONS_RERANKERS": "vllm"})


def test_keys_of_a_mapping_that_are_followed_by_nothing_say_nothing(file: Path) -> None:
    file.write_text("function:\n  rerank:\n    model:\n      providers:\n        tei:\n        vllm:\n          url:\n")
    assert read_settings(file).functions.rerankers == {"vllm": ProviderSettings()}


def test_names_of_milvus_yaml_are_taken(file: Path) -> None:
    file.write_text("proxy:\n  port: 1234\n  grpc:\n    serverMaxRecvSize: 99\nlocalStorage:\n  path: /data\n")
    settings = read_settings(file)
    assert (settings.server.port, settings.server.message_bytes, settings.data) == (1234, 99, Path("/data"))


def test_an_empty_file_changes_nothing(file: Path) -> None:
    file.write_text("# nothing yet\n")
    assert read_settings(file) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {prot: 1}", r"unknown setting server\.prot in file .*did you mean server\.port\?"),
        ("sever: {port: 1}", "unknown setting sever.port"),
        ("etcd: {endpoints: x}", "unknown setting etcd.endpoints.*docs/guide/settings.md"),
        ("server: {port: many}", r"server\.port .*'many' does not fit"),
        ("server: {insecure: 3}", "server.insecure"),
        ("data: [1]", "setting data in file"),
        ("- 1", "no mapping"),
        ("a: [", "no YAML"),
        ("server: 5", "unknown setting server in"),
    ],
)
def test_what_can_not_be_used_is_named(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_settings(file)


def test_unknown_variables_are_named() -> None:
    with pytest.raises(SettingsError, match=r"ELANUS_SERVER_PRT.*did you mean ELANUS_SERVER_PORT"):
        read_settings(None, {"ELANUS_SERVER_PRT": "1"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml can't be read"):
        read_settings(tmp_path / "none.yaml")


def test_a_file_is_named_or_found_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file(None, {}) is None
    Path("elanus.yaml").touch()
    assert find_file(None, {}) == Path("elanus.yaml")
    assert find_file(None, {"ELANUS_CONFIG": "b.yaml"}) == Path("b.yaml")
    assert find_file(Path("c.yaml"), {"ELANUS_CONFIG": "b.yaml"}) == Path("c.yaml")
