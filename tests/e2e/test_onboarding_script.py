"""docs/onboarding.md, executed as it stands: from nothing to a first answered call on a really started server."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from app.demo.stack import DemoStack

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "onboarding.md"
NUMBER, PERSON, CALLER = "+918049999001", "+918049999002", "+919876500013"


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _variables(stack: DemoStack, folder: Path) -> dict[str, str]:
    command = folder / "vaanisetu"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "VS": stack.url,
        "OPERATOR_KEY": stack.operator_key,
        "PLIVO_AUTH_ID": stack.tenant.auth_id,
        "PLIVO_AUTH_TOKEN": stack.tenant.auth_token,
        "NUMBER": NUMBER,
        "PERSON": PERSON,
        "FROM": CALLER,
    }


async def test_the_guide_leads_to_an_answered_call(stack: DemoStack, tmp_path: Path) -> None:
    assert shutil.which("curl") and shutil.which("bash"), "the guide is for curl and bash"
    lines = "\n".join(blocks())
    assert len(blocks()) == 7 and "go-live" in lines
    script = "set -e -o pipefail\n" + lines
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        env=_variables(stack, tmp_path),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    told = output.decode()
    assert process.returncode == 0, told
    assert "['plivo', 'agent', 'phone_number', 'go_live']" in told, "the check-list began with what was missing"
    assert re.search(r"\[\('\+919876500013', '\w+'\)\]", told.splitlines()[-1]), "the call is in the tenant's list"
    assert "goal reached  silent-caller" in told
