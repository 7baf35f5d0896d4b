"""The image and the compose file fit the code: what they copy, set, start and watch exists."""

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import cli
from app.config import Settings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra/compose.yaml").read_text(encoding="utf-8"))
STEPS = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
SETTINGS = {f"VAANISETU_{name.upper()}" for name in Settings.model_fields}
PINNED = re.compile(r"[\w./-]+:\d[\w.-]*|[\w./-]+:v\d[\w.-]*")


def steps(word: str) -> list[str]:
    return [line.removeprefix(word + " ") for line in STEPS if line.startswith(word + " ")]


def tracked(folder: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    return listed.stdout.splitlines() or [
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in str(path)
    ]


def test_the_image_copies_what_exists_runs_as_nobody_special_and_sets_known_settings() -> None:
    own = [step.split()[:-1] for step in steps("COPY") if not step.startswith("--from")]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for source in (name for names in own for name in names):
        assert (ROOT / source).exists() and source not in ignored, source
    assert all(PINNED.match(base.split()[0]) for base in steps("FROM"))
    assert steps("USER") == ["vaanisetu"]
    assert set(re.findall(r"VAANISETU_\w+", "\n".join(STEPS))) <= SETTINGS
    assert steps("EXPOSE") == [str(Settings.model_fields["port"].default)]
    assert steps("CMD") == ['["vaanisetu", "serve"]']


def test_whatever_the_code_reads_beside_itself_is_installed_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package, globs in project["tool"]["setuptools"]["package-data"].items():
        suffixes = tuple(pattern.removeprefix("**/") for pattern in globs)
        beside = [path for path in tracked(package) if not path.endswith(".py")]
        left_out = [
            path for path in beside if not any(fnmatch.fnmatch(Path(path).name, pattern) for pattern in suffixes)
        ]
        assert left_out == [], "add their endings to package-data"


def test_services_are_pinned_started_by_known_commands_and_wait_for_what_they_need() -> None:
    commands = {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    for name, service in COMPOSE["services"].items():
        assert "build" in service or PINNED.fullmatch(service["image"]), name
        assert set(service.get("depends_on", ())) <= COMPOSE["services"].keys()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "infra" / source).is_dir(), volume
        assert set(service.get("environment", ())) <= SETTINGS
        command = service.get("command", [])
        assert command[:1] != ["vaanisetu"] or command[1] in commands
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), "TLS ends in front of it"
        for needed in service.get("depends_on", ()):
            assert "test" in COMPOSE["services"][needed]["healthcheck"], needed


def test_prometheus_watches_the_ports_that_show_figures() -> None:
    watched = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    targets = {
        target for job in watched["scrape_configs"] for part in job["static_configs"] for target in part["targets"]
    }
    worker = COMPOSE["services"]["worker"]["environment"]["VAANISETU_WORKER_METRICS_PORT"]
    assert targets == {f"server:{Settings.model_fields['port'].default}", f"worker:{worker}"}
    assert all((ROOT / "infra/prometheus" / name).is_file() for name in watched["rule_files"])


def test_the_example_environment_names_known_settings_and_makes_one_fill_in_the_secrets() -> None:
    example = (ROOT / "infra/.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"VAANISETU_\w+", example)) <= SETTINGS
    for secret in ("VAANISETU_OPERATOR_KEY", "VAANISETU_MASTER_KEY"):
        assert re.search(rf"^{secret}=$", example, re.MULTILINE)
