"""many: a daemon with many domains, for tests/bench/run: how long it takes to
start, and what it takes of memory."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from tests.harness.bench import Bench
from tests.harness.milterclient import Milter
from tests.harness.place import wait_until
from tests.harness.postern import program

FEW, MANY = 2000, 100000          # domains
KEYS_OF_FEW, KEYS_OF_MANY = 32, 300  # different keys that they share
STARTS = 7                        # the median of so many
NEEDED = 2 << 30                  # octets that a tree of MANY takes at most
SECONDS = 60.0
MEGA = 1e6
# What is measured is keys: nothing is looked up, nothing is counted.
PLAIN = {
    "user": "",
    "senders": {"owners": "all"},
    ("class", "submission"): {"preflight": False, "limits": False},
}


def _directory() -> str:
    """Where files cost no disk, if there is room."""
    if "TMPDIR" not in os.environ and os.path.isdir("/dev/shm"):
        place = os.statvfs("/dev/shm")
        if place.f_bavail * place.f_frsize >= NEEDED \
                and place.f_favail >= 4 * MANY:
            return "/dev/shm"
    return tempfile.gettempdir()


def _rss(pid: int) -> int:
    """Octets of its memory that are there."""
    with open(f"/proc/{pid}/status") as file:
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])


class Many:
    """A tree of so many domains; figures about it come as (name, figure)."""

    def __init__(self, build: str, is_full: bool):
        os.environ.setdefault("POSTERN_BUILDDIR", os.path.abspath(build))
        self.domains = MANY if is_full else FEW
        self.keys = KEYS_OF_MANY if is_full else KEYS_OF_FEW
        self.bench = os.path.join(build, "tests", "bench", "bench_keys")
        self.path = tempfile.mkdtemp(prefix="postern-keys-",
                                     dir=_directory())
        try:
            self._run("make", str(self.keys))
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def at(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _run(self, what: str, *arguments: str) -> str:
        return subprocess.run(
            [self.bench, what, self.path, str(self.domains), *arguments],
            check=True, stdout=subprocess.PIPE, text=True).stdout

    def figures(self):
        """All of them, as they are known."""
        tables = {"keys": "", "key_table": self.at("key.table"),
                  "signing_table": "refile:" + self.at("signing.table")}
        yield from self._started("", {"keys": self.at("keys")},
                                 self._sign_all)
        yield from self._started("_tables", tables, self._sign_one)
        for line in self._run("measure").splitlines():
            name, figure = line.split()
            yield name, float(figure)

    def _started(self, kind: str, sign: dict, use):
        """The time from exec to the first connection, and memory then; and
        what use() yields of a daemon that runs."""
        seconds, octets = [], []
        bench = Bench("many", {**PLAIN, "sign": sign}, keys=(), start=False)
        try:
            for _ in range(STARTS):
                seconds.append(self._start(bench.postern))
                octets.append(_rss(bench.postern.process.pid))
                bench.postern.stop()
            yield "keys_start" + kind, statistics.median(seconds)
            yield "keys_rss" + kind, statistics.median(octets) / MEGA
            self._start(bench.postern)
            yield from use(bench)
        finally:
            bench.stop()

    @staticmethod
    def _start(postern) -> float:
        """Spawn it; seconds until it answers an MTA."""
        program("postern")
        begun = time.monotonic()
        postern.process = postern.spawn("-c", postern.file)
        while time.monotonic() - begun < SECONDS:
            if postern.process.poll() is not None:
                raise ChildProcessError(f"postern ended\n{postern.text()}")
            try:
                with Milter(postern.socket) as milter:
                    milter.negotiate()
                    return time.monotonic() - begun
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.0005)
        raise TimeoutError(f"postern doesn't answer\n{postern.text()}")

    def _sign_all(self, bench: Bench):
        """A message of each domain."""
        with bench.begun() as milter:
            for index in range(self.domains):
                _sign(bench, milter, index)
            yield "keys_rss_signed", _rss(bench.postern.process.pid) / MEGA
            milter.quit()

    def _sign_one(self, bench: Bench):
        """Tables are read by the first message that needs them, so that is
        what they cost."""
        with bench.begun() as milter:
            begun = time.monotonic()
            _sign(bench, milter, self.domains - 1)
            yield "keys_first_tables", time.monotonic() - begun
            milter.quit()
        yield ("keys_rss_tables_used",
               _rss(bench.postern.process.pid) / MEGA)


def _sign(bench: Bench, milter, index: int) -> None:
    """A message of one domain must be signed with its key."""
    domain = f"d{index:06}.example"
    author = f"alice@{domain}"
    text = (f"From: <{author}>\r\nTo: <r@out.example>\r\n"
            f"Subject: {index}\r\nDate: Mon, 23 Nov 2026 06:00:00 +0000\r\n"
            f"\r\n{'x' * 70}\r\n").encode()
    answer = milter.message(author, "r@out.example", text, author)
    wanted = f"d={domain};".encode()
    if not any(name == b"DKIM-Signature" and wanted in value
               for _, name, value in answer.inserted):
        wait_until(bench.postern.text, "a log")
        raise AssertionError(f"{domain} isn't signed: {answer}\n"
                             f"{bench.story()}")
