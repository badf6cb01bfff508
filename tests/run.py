#!/usr/bin/python3
"""Run all tests, or those named, and count them.

    tests/run.py [--builddir DIR] [--program PATH]... [--without TEST]...
                 [NAME...]

NAME is a suite (unit, contract, protocol, e2e, house), or a part of one:
e2e/test_signing, e2e/test_signing.Signing.test_empty_body, unit/test_text.
The compiled (cmocka) tests are those given with --program or in the
environment variable POSTERN_TEST_PROGRAMS, or else all executables test_* in
DIR/tests/unit and DIR/tests/contract. One line per test on standard output,
what failed with it, and at the end "N passed, N failed, N skipped". The exit
status is 1 if anything failed, or nothing ran.
"""

import argparse
import glob
import importlib
import os
import re
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = ("house", "protocol", "e2e")
PROGRAM_SECONDS = 900


class Count:
    """Results as they come: printed and counted."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def _line(self, word: str, name: str, seconds, note: str = "") -> None:
        took = f" ({seconds:.2f} s)" if seconds is not None else ""
        print(f"{word:7} {name}{took}{note}", flush=True)

    def ok(self, name: str, seconds=None) -> None:
        self.passed += 1
        self._line("ok", name, seconds)

    def bad(self, name: str, why: str, seconds=None) -> None:
        self.failed += 1
        self.failures.append(name)
        self._line("FAILED", name, seconds)
        print("    " + why.rstrip().replace("\n", "\n    "), flush=True)

    def not_run(self, name: str) -> None:
        """A test that something else's failure kept from running."""
        self.failed += 1
        self._line("FAILED", name, None, ": not run")

    def skip(self, name: str, why: str) -> None:
        self.skipped += 1
        self._line("skipped", name, None, f": {why}")


# -- compiled tests

_RESULT = re.compile(r"(not ok|ok) \d+ (?:- (.*)|# SKIP ?(.*))$")
_PLAN = re.compile(r"1\.\.(\d+)$")


def run_program(path: str, count: Count) -> None:
    """One cmocka program. What it says in TAP is counted; a bad end that no
    test stands for (a leak found at exit, a crash between tests) is a
    failure of its own, and so is each test that it announced but never
    ran."""
    suite = os.path.basename(os.path.dirname(path))
    name = f"{suite}/{os.path.basename(path)}"
    begun = time.monotonic()
    try:
        ran = subprocess.run(
            [path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"},
            timeout=PROGRAM_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        count.bad(name, f"not done after {PROGRAM_SECONDS} s")
        return
    except OSError as error:
        count.bad(name, str(error))
        return
    text = ran.stdout.decode("utf-8", "backslashreplace")
    seen, failed = count_tap(name, text, count)
    planned = _planned(text)
    for number in range(seen, planned):
        count.bad(f"{name}: test {number + 1}", "announced, but not run\n"
                  + text[-3000:])
    if ran.returncode != 0 and failed == 0 and seen >= planned:
        count.bad(f"{name}: exit status", f"wanted 0, got {ran.returncode}\n"
                  + text[-6000:], time.monotonic() - begun)
    elif seen == 0 and planned == 0:
        count.bad(name, "no test in it\n" + text[-3000:])


def _planned(text: str) -> int:
    """A program may have several groups of tests."""
    return sum(int(found.group(1)) for found
               in map(_PLAN.match, text.splitlines()) if found)


def count_tap(name: str, text: str, count: Count) -> tuple:
    """Count the tests in TAP output; (how many, how many failed)."""
    seen = failed = 0
    pending, notes = None, []

    def settle() -> None:
        if pending is not None:
            count.bad(f"{name}: {pending}", "\n".join(notes))

    for line in text.splitlines():
        found = _RESULT.match(line)
        if not found:
            notes.append(line)
            continue
        settle()
        seen += 1
        word, title, skipped = found.groups()
        if skipped is not None:
            pending = None
            count.skip(f"{name}: {skipped}", "the test says so")
        elif word == "ok":
            pending = None
            count.ok(f"{name}: {title}")
        else:
            failed += 1
            # What fail_msg() said comes before the line, cmocka's place
            # in the file after it.
            pending = title
            notes = [one for one in notes if not _PLAN.match(one)]
            continue
        notes = []
    settle()
    return seen, failed


# -- Python tests

class Result(unittest.TestResult):
    """unittest's events, one line per test."""

    def __init__(self, count: Count, prefix: str):
        super().__init__()
        self.count = count
        self.prefix = prefix
        self.done = set()
        self.reasons = []     # why whole classes or modules didn't run
        self.is_skipped = False
        self._begun = 0.0
        self._bad = []

    def name(self, test) -> str:
        return f"{self.prefix}/{test.id().removeprefix(self.prefix + '.')}"

    def startTest(self, test):
        super().startTest(test)
        self._begun = time.monotonic()
        self._bad = []
        self._skip = None

    def stopTest(self, test):
        super().stopTest(test)
        self.done.add(test.id())
        seconds = time.monotonic() - self._begun
        if self._bad:
            self.count.bad(self.name(test), "\n".join(self._bad), seconds)
        elif self._skip is not None:
            self.count.skip(self.name(test), self._skip)
        else:
            self.count.ok(self.name(test), seconds)

    def _words(self, test, err) -> str:
        return self._exc_info_to_string(err, test)

    def _note(self, test, err) -> None:
        if isinstance(test, unittest.TestCase):
            self._bad.append(self._words(test, err))
        else:  # setUpModule and the like: no test of its own
            self.reasons.append(str(test))
            self.count.bad(f"{self.prefix}/{test}", str(err[1]) + "\n"
                           + self._words(unittest.TestCase(), err))

    def addError(self, test, err):
        self._note(test, err)

    def addFailure(self, test, err):
        self._note(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._bad.append(f"{subtest._subDescription()}\n"
                             + self._words(test, err))

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase) and test.id() not in self.done:
            self._skip = reason
        else:
            self.is_skipped = True
            self.reasons.append(reason)

    def addUnexpectedSuccess(self, test):
        self._bad.append("passed, though marked as failing")


def each_test(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from each_test(one)
        else:
            yield one


def is_without(name: str, without: list) -> bool:
    return any(name == one or name.startswith(one + ".") for one in without)


def run_module(suite: str, module: str, part: str, without: list,
               count: Count) -> None:
    full = f"{suite}.{module}"
    try:
        imported = importlib.import_module(full)
        loader = unittest.TestLoader()
        tests = (loader.loadTestsFromName(part, imported) if part
                 else loader.loadTestsFromModule(imported))
    except Exception as error:  # whatever a module may do wrong
        count.bad(f"{suite}/{module}", f"{type(error).__name__}: {error}")
        return
    tests = unittest.TestSuite(
        one for one in each_test(tests)
        if not is_without(one.id().replace(".", "/", 1), without))
    names = [one.id() for one in each_test(tests)]
    result = Result(count, suite)
    unittest.TestSuite([tests]).run(result)
    # Tests that a failed or skipping setUpModule kept from running count
    # as what that was.
    why = "; ".join(result.reasons)
    for name in names:
        if name in result.done:
            continue
        short = f"{suite}/{name.removeprefix(suite + '.')}"
        if result.is_skipped:
            count.skip(short, why)
        else:
            count.not_run(short)


# -- which

def find_programs(arguments) -> list:
    given = arguments.program or os.environ.get("POSTERN_TEST_PROGRAMS",
                                                "").split()
    if given:
        return [os.path.abspath(one) for one in given]
    return [path for kind in ("unit", "contract")
            for path in sorted(glob.glob(os.path.join(
                arguments.builddir, "tests", kind, "test_*")))
            if os.access(path, os.X_OK) and os.path.isfile(path)
            and not path.endswith((".sh", ".py", ".o", ".log", ".trs"))]


def find_modules() -> list:
    return [(suite, os.path.basename(path)[:-3])
            for suite in SUITES
            for pattern in ("check.py", "test_*.py")
            for path in sorted(glob.glob(os.path.join(HERE, suite,
                                                      pattern)))]


def chosen(names: list, suite: str, module: str):
    """Which part of a module is asked for: None for nothing, "" for all."""
    if not names:
        return ""
    for name in names:
        where, _, what = name.partition("/")
        file, _, part = what.partition(".")
        if where == suite and file in ("", module):
            return part
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builddir", default=os.environ.get(
        "POSTERN_BUILDDIR") or os.path.dirname(HERE))
    parser.add_argument("--program", action="append")
    parser.add_argument("--without", action="append", default=[],
                        help="a test, or class of them, that isn't run, by "
                        "its full name")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    arguments.builddir = os.path.abspath(arguments.builddir)
    os.environ["POSTERN_BUILDDIR"] = arguments.builddir
    helper = os.path.join(arguments.builddir, "tests", "unit",
                          "sign_message")
    if os.path.exists(helper):
        os.environ.setdefault("SIGN_MESSAGE", helper)
    # Where tests find what the source tree holds, as automake calls it.
    os.environ.setdefault("srcdir", os.path.dirname(HERE))
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True  # the source tree may be read-only
    sys.stdout.reconfigure(errors="backslashreplace")

    count = Count()
    for path in find_programs(arguments):
        suite = os.path.basename(os.path.dirname(path))
        if chosen(arguments.names, suite,
                  os.path.basename(path)) is not None:
            run_program(path, count)
    for suite, module in find_modules():
        part = chosen(arguments.names, suite, module)
        if part is not None:
            run_module(suite, module, part, arguments.without, count)

    if count.failures:
        print("\nfailed:\n  " + "\n  ".join(count.failures))
    total = count.passed + count.failed + count.skipped
    if total == 0:
        print("nothing to run", file=sys.stderr)
    print(f"{count.passed} passed, {count.failed} failed, "
          f"{count.skipped} skipped", flush=True)
    return 1 if count.failed or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
