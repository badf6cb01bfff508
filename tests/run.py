#!/usr/bin/python3
"""Run all tests, or those named, and count them.

    tests/run.py [--builddir DIR] [--program PATH]... [--without TEST]...
                 [--jobs N] [NAME...]

NAME is a suite (unit, contract, protocol, e2e, house), or a part of one:
e2e/test_signing, e2e/test_signing.Signing.test_empty_body, unit/test_text.
The compiled (cmocka) tests are those given with --program or in the
environment variable POSTERN_TEST_PROGRAMS, or else all executables test_* in
DIR/tests/unit and DIR/tests/contract. One line per test on standard output,
what failed with it, and at the end "N passed, N failed, N skipped". The exit
status is 1 if anything failed, or nothing ran.

With --jobs N compiled programs and Python modules run beside each other: N of
those that work, and N + 1 of those that mostly wait. What each says is kept
together and comes at its end.
"""

import argparse
import collections
import glob
import importlib
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = ("house", "protocol", "e2e")
PROGRAM_SECONDS = 900
MODULE_SECONDS = 1800

# What needs the processor for less than half of its time: it waits for servers
# to start, fail over and give up. Of these and of the others those that take
# longest begin first, so that none is left alone at the end.
WAITING = (
    "e2e/test_redis_faults", "e2e/test_redis_nodes", "e2e/test_import",
    "e2e/test_preflight_dns", "e2e/test_redis_limits",
    "contract/test_redis_nodes", "e2e/test_stop", "e2e/test_preflight_life",
    "e2e/test_redis_harness", "unit/test_resolver_dead", "e2e/test_local",
    "e2e/test_preflight_maps", "e2e/test_blocks", "e2e/test_redis_identity",
    "contract/test_store_locked", "unit/test_tables_lmdb", "e2e/test_limits",
    "contract/test_resolver", "e2e/test_redis_maps", "e2e/test_dns_harness",
    "contract/test_redis_fake", "contract/test_rotate_ask",
    "contract/test_redis_pool",
)
WORKING = (
    "e2e/test_corpus", "protocol/test_signatures", "e2e/test_preflight_ctl",
    "e2e/test_preflight", "e2e/test_redis_postfix", "e2e/test_rotate",
    "e2e/test_signing", "e2e/test_preflight_signed", "e2e/test_explain",
    "protocol/test_key_places", "contract/test_store_overrides",
    "unit/test_signer_engines", "e2e/test_cases_dns", "e2e/test_posternctl",
)


class Count:
    """Results as they come: printed and counted."""

    def __init__(self, out=None):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.out = out or sys.stdout

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def _line(self, word: str, name: str, seconds, note: str = "") -> None:
        took = f" ({seconds:.2f} s)" if seconds is not None else ""
        self._say(f"{word:7} {name}{took}{note}")

    def ok(self, name: str, seconds=None) -> None:
        self.passed += 1
        self._line("ok", name, seconds)

    def bad(self, name: str, why: str, seconds=None) -> None:
        self.failed += 1
        self.failures.append(name)
        self._line("FAILED", name, seconds)
        self._say("    " + why.rstrip().replace("\n", "\n    "))

    def not_run(self, name: str) -> None:
        """A test that something else's failure kept from running."""
        self.failed += 1
        self._line("FAILED", name, None, ": not run")

    def skip(self, name: str, why: str) -> None:
        self.skipped += 1
        self._line("skipped", name, None, f": {why}")

    def add(self, other: "Count") -> None:
        """What somebody else has counted, and said to a text of its own."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        print(other.out.getvalue(), end="", file=self.out, flush=True)

    def end(self) -> bool:
        """Say what it came to. True: all is well."""
        if self.failures:
            self._say("\nfailed:\n  " + "\n  ".join(self.failures))
        total = self.passed + self.failed + self.skipped
        if total == 0:
            print("nothing to run", file=sys.stderr)
        self._say(f"{self.passed} passed, {self.failed} failed, "
                  f"{self.skipped} skipped")
        return total > 0 and self.failed == 0


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
        count.bad(f"{name}: test {number + 1}", "announced, but not run; exit "
                  f"status {ran.returncode}\n" + text[-3000:])
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


class Program:
    """A compiled program, to be run."""

    def __init__(self, path: str):
        self._path = path
        self.name = (f"{os.path.basename(os.path.dirname(path))}/"
                     f"{os.path.basename(path)}")

    def run(self, count: Count) -> None:
        run_program(self._path, count)

    run_apart = run


class Module:
    """A Python module of tests, or a part of one, to be run."""

    def __init__(self, suite: str, module: str, part: str, arguments):
        self._what = suite, module, part
        self._arguments = arguments
        self.name = f"{suite}/{module}"

    def run(self, count: Count) -> None:
        run_module(*self._what, self._arguments.without, count)

    def run_apart(self, count: Count) -> None:
        """In a process of its own: modules have one world each, and the
        names of these are the process's."""
        suite, module, part = self._what
        words = [sys.executable, os.path.abspath(__file__), "--builddir",
                 self._arguments.builddir,
                 f"{suite}/{module}" + (f".{part}" if part else "")]
        for one in self._arguments.without:
            words += ["--without", one]
        # No pipe: what a failed test leaves behind would keep it open.
        with tempfile.TemporaryFile("w+", errors="backslashreplace") as out:
            try:
                status = subprocess.run(
                    words, stdout=out, stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    timeout=MODULE_SECONDS).returncode
            except subprocess.TimeoutExpired:
                status = f"none after {MODULE_SECONDS} s"
            out.seek(0)
            count_run(self.name, out.read(), status, count)


_TOTAL = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$")


def count_run(name: str, text: str, status, count: Count) -> None:
    """Count what another run of this program has said."""
    body, _, last = text.rstrip("\n").rpartition("\n")
    total = _TOTAL.match(last)
    if not total or not isinstance(status, int):
        count.bad(name, f"it came to no end: exit status {status}\n"
                  + text[-6000:])
        return
    passed, failed, skipped = map(int, total.groups())
    body, _, names = body.partition("\nfailed:\n")
    count.out.write(body.rstrip("\n") + "\n" if body else "")
    count.passed += passed
    count.failed += failed
    count.skipped += skipped
    count.failures += [one.strip() for one in names.splitlines()]
    if (status != 0) != (failed > 0 or passed + skipped == 0):
        count.bad(f"{name}: exit status", f"{status}, with {failed} failed")


class Jobs:
    """Runs units beside each other, so many of those that work."""

    def __init__(self, most: int, units: list, count: Count):
        self._count = count
        self._lock = threading.Lock()
        waiting = [one for one in units if one.name in WAITING]
        working = [one for one in units if one.name not in WAITING]
        self._queues = (self._longest_first(waiting, WAITING),
                        self._longest_first(working, WORKING))
        self._threads = [threading.Thread(target=self._work, args=(queue,))
                         for queue, count in zip(self._queues,
                                                 (most + 1, most))
                         for _ in range(count)]

    @staticmethod
    def _longest_first(units: list, known: tuple):
        def rank(one) -> int:
            return (known.index(one.name) if one.name in known
                    else len(known))
        return collections.deque(sorted(units, key=rank))

    def _work(self, queue) -> None:
        while True:
            try:
                unit = queue.popleft()
            except IndexError:
                return
            count = Count(io.StringIO())
            try:
                unit.run_apart(count)
            except Exception as error:  # none may be lost
                count.bad(unit.name, f"{type(error).__name__}: {error}")
            with self._lock:
                self._count.add(count)

    def run(self) -> None:
        for one in self._threads:
            one.start()
        try:
            for one in self._threads:
                one.join()
        except BaseException:  # interrupted: nothing more is begun
            for queue in self._queues:
                queue.clear()
            raise


def find_units(arguments) -> list:
    """All that is asked for, in its order."""
    units = [one for one in map(Program, find_programs(arguments))
             if chosen(arguments.names, *one.name.split("/")) is not None]
    for suite, module in find_modules():
        part = chosen(arguments.names, suite, module)
        if part is not None and f"{suite}/{module}" not in arguments.without:
            units.append(Module(suite, module, part, arguments))
    return units


def name_places(builddir: str) -> None:
    """Where tests find what was built, and what the source tree holds, as
    automake calls it."""
    os.environ["POSTERN_BUILDDIR"] = builddir
    helper = os.path.join(builddir, "tests", "unit", "sign_message")
    if os.path.exists(helper):
        os.environ.setdefault("SIGN_MESSAGE", helper)
    os.environ.setdefault("srcdir", os.path.dirname(HERE))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builddir", default=os.environ.get(
        "POSTERN_BUILDDIR") or os.path.dirname(HERE))
    parser.add_argument("--program", action="append")
    parser.add_argument("--without", action="append", default=[],
                        help="a test, or class or module of them, that "
                        "isn't run, by its full name")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="run them beside each other")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    arguments.builddir = os.path.abspath(arguments.builddir)
    name_places(arguments.builddir)
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True  # the source tree may be read-only
    sys.stdout.reconfigure(errors="backslashreplace")

    units = find_units(arguments)
    count = Count()
    if arguments.jobs > 1:
        Jobs(arguments.jobs, units, count).run()
    else:
        for unit in units:
            unit.run(count)
    return 0 if count.end() else 1


if __name__ == "__main__":
    sys.exit(main())
