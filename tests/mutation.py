#!/usr/bin/python3
"""Change one place of the code at a time, and see whether a unit test notices.

    tests/mutation.py [--most N] [--seed N] TREE BUILD [FILE...]

TREE is a copy of the sources that is for this alone: its files are changed and
put right again. BUILD is where it was configured with --coverage among its
CFLAGS and all programs in tests/unit were made. Which tests reach which lines
is found by running them; then N (300) of the changes that can be made in the
FILEs (all of policy, conf and milter) are made, one after the other, and tests
that reach the line are run until one fails.

One line for each change that no test noticed, and what it was. The exit status
is 1 if fewer than 80 of 100 were noticed: some can't be, as they change
nothing but how fast it is, or what happens where memory ends."""

import argparse
import contextlib
import glob
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import run

SECONDS = 120     # for one test program
MEGABYTES = 4096  # of one
TESTS = 10        # at most so many programs for a change
ENOUGH = 0.8
CHANGES = [(re.compile(pattern), text) for pattern, text in (
    (r"==", "!="), (r"!=", "=="), (r"<=", "<"), (r">=", ">"),
    (r"(?<![-<>])<(?![<=])", "<="), (r"(?<![->])>(?![>=])", ">="),
    (r"&&", "||"), (r"\|\|", "&&"), (r"\+ 1\b", "+ 0"), (r"- 1\b", "- 0"),
    (r"\+\+", "--"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r"!(?=[a-z_(])", ""))]
# A call or an assignment on a line of its own.
STATEMENT = re.compile(r"\t+(\(void\))?[a-z_>.\-\[\]]+(\(.*\)| [-+|]?= .*);")
QUOTED = re.compile(r"\"(\\.|[^\"\\])*\"|'(\\.|[^'\\])+'")


class Change:
    """One line of a file, and what stands there instead."""

    def __init__(self, path: str, number: int, old: str, new: str):
        self.path = path
        self.number = number
        self.old = old
        self.new = new

    def __str__(self) -> str:
        return (f"{self.path}:{self.number}: {self.old.strip()}\n"
                f"        {self.new.strip() or '(nothing)'}")


def code_lines(text: str):
    """Those within functions, without comments; number and line."""
    is_inside = is_comment = False
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1] in "{}" and line:
            is_inside = line[0] == "{"
        begins = "/*" in line
        if is_inside and not begins and not is_comment:
            yield number, line
        if begins or is_comment:
            is_comment = "*/" not in line


def changes_of(path: str, text: str):
    for number, line in code_lines(text):
        code = QUOTED.sub(lambda found: "\0" * len(found.group()), line)
        for pattern, new in CHANGES:
            for found in pattern.finditer(code):
                yield Change(path, number, line, line[:found.start()] + new
                             + line[found.end():])
        if STATEMENT.fullmatch(code):
            yield Change(path, number, line, "\t;")


class Tests:
    """The programs in tests/unit, and which lines each reaches."""

    def __init__(self, tree: str, build: str):
        self._tree = os.path.realpath(tree)
        self._build = os.path.realpath(build)
        self._seconds = {}
        self._reached = {}  # by path and number: a list of programs
        for path in sorted(glob.glob(f"{build}/tests/unit/test_*")):
            if os.access(path, os.X_OK) and os.path.isfile(path):
                self._learn(os.path.relpath(path, build))

    def that_reach(self, change: Change) -> list:
        """At most TESTS: those that are named like the file, then the
        quickest."""
        found = self._reached.get((change.path, change.number), [])
        stem = os.path.splitext(os.path.basename(change.path))[0]

        def order(program: str):
            name = os.path.basename(program).removeprefix("test_")
            return (not (name.startswith(stem) or stem.startswith(name)),
                    self._seconds[program])

        return sorted(found, key=order)[:TESTS]

    def run(self, program: str) -> bool:
        """Does it pass?"""
        with tempfile.TemporaryDirectory() as counts:
            # What a changed file counts doesn't fit to what was counted; and
            # a change may make it endless, or have it take all memory.
            ran = subprocess.Popen(
                [self._at(program)], cwd=self._tree, start_new_session=True,
                env={**os.environ, "GCOV_PREFIX": counts,
                     "ASAN_OPTIONS": f"hard_rss_limit_mb={MEGABYTES}"},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                return ran.wait(SECONDS) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(ran.pid, signal.SIGKILL)
                ran.wait()

    def make(self, program: str) -> bool:
        return subprocess.run(["make", "-s", program], cwd=self._build,
                              capture_output=True).returncode == 0

    def _at(self, program: str) -> str:
        return os.path.join(self._build, program)

    def _learn(self, program: str) -> None:
        for path in self._counts():
            os.unlink(path)
        begun = time.monotonic()
        ran = subprocess.run([self._at(program)], cwd=self._tree,
                             capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(f"{program} fails with the code as it is:\n"
                     f"{ran.stdout}{ran.stderr}")
        self._seconds[program] = time.monotonic() - begun
        told = subprocess.run(
            ["gcov", "--json-format", "--stdout", *self._counts()],
            cwd=self._build, capture_output=True, text=True, check=True)
        for line in told.stdout.splitlines():
            for file in json.loads(line)["files"]:
                self._note(program, file)

    def _counts(self) -> list:
        return glob.glob(f"{self._build}/**/*.gcda", recursive=True)

    def _note(self, program: str, file: dict) -> None:
        path = os.path.relpath(os.path.realpath(os.path.join(
            self._build, file["file"])), self._tree)
        for line in file["lines"]:
            reached = self._reached.setdefault(
                (path, line["line_number"]), [])
            if line["count"] > 0 and program not in reached:
                reached.append(program)


def is_noticed(tests: Tests, tree: str, change: Change):
    """None: it can't be compiled."""
    path = os.path.join(tree, change.path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = text.split("\n")
    lines[change.number - 1] = change.new
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        for program in tests.that_reach(change):
            if not tests.make(program):
                return None
            if not tests.run(program):
                return True
        return False
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def all_changes(tree: str, names: list) -> list:
    found = []
    for name in names or sorted(
            os.path.relpath(path, tree) for room in ("policy", "conf", "milter")
            for path in glob.glob(f"{tree}/{room}/**/*.c", recursive=True)):
        with open(os.path.join(tree, name), encoding="utf-8") as file:
            found += changes_of(name, file.read())
    return found


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("tree")
    parser.add_argument("build")
    parser.add_argument("files", nargs="*")
    return parser.parse_args()


def main() -> int:
    options = parse()
    run.name_places(os.path.abspath(options.build))
    os.environ["srcdir"] = os.path.abspath(options.tree)
    changes = all_changes(options.tree, options.files)
    random.Random(options.seed).shuffle(changes)
    tests = Tests(options.tree, options.build)
    reached = [one for one in changes if tests.that_reach(one)]
    noticed = tried = 0
    for change in reached:
        if tried == options.most:
            break
        found = is_noticed(tests, options.tree, change)
        if found is None:
            continue
        tried += 1
        noticed += found
        if not found:
            print(change, flush=True)
    print(f"{noticed} of {tried} changes noticed; of {len(changes)} that "
          f"could be made {len(reached)} are where unit tests come")
    return 0 if tried and noticed >= ENOUGH * tried else 1


if __name__ == "__main__":
    sys.exit(main())
