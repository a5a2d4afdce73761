"""A copy of the project in which safeguards are removed, and what its tests say to that."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.safeguards.safeguard import Safeguard
from tests.tidy.tree import ROOT, files

PATIENCE_S = 600
"""The slowest takes seconds; without a safeguard something may also go on for ever, and that is no assertion."""

SEEDS = "0-100"
"""Schedules that the simulation lives through: few, and always the same."""

ASSERTED = ("assert", "AssertionError", "Failed: DID NOT RAISE", "BrokenInvariant", "worker.domain.invariants.Broken")
"""How pytest begins the message of a failure that somebody has foreseen. Anything else is a crash, and proves nothing."""

ALL_PASSED, SOME_FAILED = 0, 1
"""pytest's exit codes; every other one is an interrupt, a bad usage or a test that was not found."""

CUT = 160
"""Characters of a failure's message that are shown."""


class Bite(StrEnum):
    """What became of the tests once the safeguard was gone."""

    BITES = "bites"
    SILENT = "silent"
    BROKEN = "broken"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one removal has shown; `told` is the first failure's message, or why there is none."""

    safeguard: Safeguard
    bite: Bite
    told: str
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pytest: its exit code, what failed and how, and what could not even begin."""

    code: int
    failed: dict[str, str]
    errors: dict[str, str]
    output: str


class Scratch:
    """A copy of the project; this interpreter, with its installed packages, runs the tests in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for path in files():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)

    def without(self, safeguard: Safeguard) -> Outcome:
        """Remove one safeguard, run its tests, and put it back."""
        path = self.directory / safeguard.file
        whole = path.read_text("utf-8")
        try:
            path.write_text(safeguard.removed_from(whole), "utf-8")
        except ValueError as error:
            return Outcome(safeguard, Bite.GONE, str(error))
        try:
            return judged(safeguard, self.tested(safeguard.tests, "-x"))
        finally:
            path.write_text(whole, "utf-8")

    def tested(self, tests: Iterable[str], *options: str) -> Run:
        """Run these tests in the copy."""
        report = self.directory / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *options]
        try:
            done = subprocess.run(
                [*command, *tests],
                cwd=self.directory,
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return Run(-1, {}, {}, f"no end after {PATIENCE_S} s")
        failed, errors = _read(report) if report.exists() else ({}, {})
        return Run(done.returncode, failed, errors, done.stdout[-2000:] + done.stderr[-2000:])

    def _environment(self) -> dict[str, str]:
        """The copy comes first among what can be imported. No bytecode: it is told apart by whole seconds only."""
        return os.environ | {
            "PYTHONPATH": str(self.directory),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SIMULATION_SEEDS": SEEDS,
        }


def judged(safeguard: Safeguard, tested: Run) -> Outcome:
    """A safeguard bites when its tests have begun and one of them has failed by an assertion."""
    asserted = {name: text for name, text in tested.failed.items() if text.startswith(ASSERTED)}
    if tested.code == ALL_PASSED:
        return Outcome(safeguard, Bite.SILENT, "its tests are green without it")
    if tested.code != SOME_FAILED or tested.errors or not asserted:
        found = {**tested.errors, **tested.failed}
        return Outcome(safeguard, Bite.BROKEN, _first(found) or _last_line(tested.output), tuple(found))
    return Outcome(safeguard, Bite.BITES, _first(asserted), tuple(asserted))


def _read(report: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Failures and errors by test, from pytest's report."""
    failed: dict[str, str] = {}
    errors: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        for kind, found in (("failure", failed), ("error", errors)):
            told = case.find(kind)
            if told is not None:
                found[name] = told.get("message", "")
    return failed, errors


def _first(found: dict[str, str]) -> str:
    return next((" ".join(text.split())[:CUT] for text in found.values()), "")


def _last_line(text: str) -> str:
    return next((line[:CUT] for line in reversed(text.splitlines()) if line.strip()), "nothing was said")
