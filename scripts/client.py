"""Generates the typed Python client from docs/openapi.json: `python scripts/client.py [FOLDER]`.

The client is not kept in the repository: it is whatever the committed description says, and a test makes and uses it.
It needs httpx and attrs where it is used.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DESCRIPTION = ROOT / "docs" / "openapi.json"
PACKAGE = "vaanisetu_client"
_SETTINGS = f"package_name_override: {PACKAGE}\nproject_name_override: vaanisetu-client\npost_hooks: []\n"


def generate(folder: Path) -> str:
    """Writes the package `vaanisetu_client` with its setup.py into a folder, in the place of what was there.

    Args:
        folder: Receives the package.

    Returns:
        What the generator had to say.

    Raises:
        RuntimeError: It cannot read the description.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "client.yaml"
    settings.write_text(_SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "setup", "--overwrite"]
    command += ["--path", str(DESCRIPTION), "--config", str(settings), "--output-path", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the client was not generated:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    """Generates into build/client, or where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build" / "client")
    folder = parser.parse_args().folder
    sys.stdout.write(generate(folder))
    sys.stdout.write(f"{folder}: pip install it, then `from {PACKAGE} import AuthenticatedClient`\n")


if __name__ == "__main__":
    main()
