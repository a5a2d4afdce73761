"""The files of this checkout that the house rules are about."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = {"__pycache__", "node_modules", "dist", "build"}  # and whatever begins with a dot, but for .ci and .env.example
PRODUCTION = ("contracts", "webhook_ingress", "worker")
CODE = (*PRODUCTION, "sandbox", "benchmarks", "tests")


@cache
def files() -> tuple[Path, ...]:
    """Everything that is committed or about to be, relative to the root; all that is not made, where git cannot say."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return walk(ROOT)
    return tuple(path for path in map(Path, names) if (ROOT / path).is_file())


def walk(root: Path) -> tuple[Path, ...]:
    """The files below a root without what make, Python and editors make."""
    paths = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return tuple(path for path in paths if not any(is_made(part) for part in path.parts))


def is_made(part: str) -> bool:
    hidden = part.startswith(".") and part not in {".ci", ".env.example", ".gitignore", ".dockerignore"}
    return hidden or part in MADE or part.endswith(".egg-info")


def texts() -> dict[Path, str]:
    """Every text file; a file with a zero byte is none."""
    contents = {path: (ROOT / path).read_bytes() for path in files()}
    return {path: content.decode(errors="replace") for path, content in contents.items() if b"\x00" not in content}


def modules(*packages: str) -> dict[Path, ast.Module]:
    """The parsed Python files of these top-level packages."""
    return {
        path: ast.parse((ROOT / path).read_text())
        for path in files()
        if path.suffix == ".py" and path.parts[0] in packages
    }
