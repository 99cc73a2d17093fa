"""Settings that cannot work are named at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet import checks


def ids(found: list) -> list[str]:
    return [message.id for message in found]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/x.sock", []),
        ("redis://localhost:6379", []),
        ("http://localhost", ["fleet.E001"]),
        ("", ["fleet.E001"]),
    ],
)
def test_redis_needs_an_address_of_its_kind(settings, url: str, expected: list[str]) -> None:
    settings.REDIS_URL = url
    settings.HOME = Path("/srv/drover")
    assert ids(checks.redis_address()) == expected


def test_a_home_too_deep_for_sockets_is_named(settings) -> None:
    settings.HOME = Path("/" + "x" * 100)
    settings.REDIS_URL = "unix:///run/x.sock"
    assert ids(checks.redis_address()) == ["fleet.E002"]


@pytest.mark.parametrize(
    ("url", "engine", "expected"),
    [
        ("redis://redis.example.org:6379", "sqlite3", ["fleet.W001"]),
        ("redis://127.0.0.1:6379", "sqlite3", []),
        ("redis://redis.example.org:6379", "postgresql", []),
        ("unix:///run/x.sock", "sqlite3", []),
    ],
)
def test_several_machines_need_postgresql(settings, monkeypatch, url: str, engine: str, expected: list[str]) -> None:
    settings.REDIS_URL = url
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", f"django.db.backends.{engine}")
    assert ids(checks.one_machine_database()) == expected


def test_a_key_that_everybody_can_read_is_named_with_the_remedy(settings, tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    key.write_text("key")
    key.chmod(0o644)
    settings.SSH_KEY = key
    [message] = checks.private_files()
    assert message.id == "fleet.E003"
    assert message.hint == f"chmod 600 {key}"


@pytest.mark.parametrize(
    ("transports", "expected"),
    [(["tls", "ssh"], []), (["tls", "tcp"], ["fleet.W002"]), (["carrier-pigeon"], ["fleet.E004"])],
)
def test_transports_are_known_and_safe(settings, transports: list[str], expected: list[str]) -> None:
    settings.TRANSPORTS = transports
    assert ids(checks.unsafe_transports()) == expected


@pytest.mark.parametrize(
    ("https", "hosts", "expected"),
    [
        (False, ["localhost", "127.0.0.1", "[::1]"], []),
        (False, ["drover.example.org"], ["fleet.W003"]),
        (True, ["drover.example.org"], []),
    ],
)
def test_passwords_do_not_cross_the_network_in_clear(settings, https: bool, hosts: list[str], expected: list) -> None:
    settings.HTTPS = https
    settings.ALLOWED_HOSTS = hosts
    assert ids(checks.clear_text_pages()) == expected
