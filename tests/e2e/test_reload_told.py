"""What a reload has to say though it is done: tables with bad lines, options
that wait for a restart, and what postern -t warns of."""

import json

from harness.bench import Bench
from harness.case import Case

BENCH = None
# What -t has nothing to warn of.
QUIET = {"egress": ["192.0.2.1 mx.example"], "senders": {"owners": "all"}}


def setUpModule():
    global BENCH
    BENCH = Bench("reload-told", QUIET, keys=("a.example",))


def tearDownModule():
    BENCH.stop()


class Told(Case):
    def story(self):
        return BENCH.story()

    def tearDown(self):
        self.configure({})
        self.reload()

    def configure(self, settings: dict) -> None:
        BENCH.postern.configure({**QUIET, **settings})

    def reload(self, *wanted: str) -> list:
        """Reload: it is done, and says so much, each with words of
        wanted in it. The lines."""
        ran = BENCH.postern.ctl("reload")
        self.want(0, ran.returncode, f"exit status ({ran.out}{ran.err})")
        self.assertIn("is in force", ran.out)
        lines = ran.err.splitlines()
        self.want(len(wanted), len(lines), f"lines in {lines}")
        for words, line in zip(wanted, lines):
            self.assertTrue(line.startswith("warning: "), line)
            self.assertIn(words, line)
        return lines

    def tables(self, keys: str, mode: int = 0o640) -> dict:
        key_table = BENCH.place.write("key.table", keys)
        signing_table = BENCH.place.write(
            "signing.table", "*@a.example good\n")
        for path in (key_table, signing_table):
            BENCH.postern.own(path, mode)
        self.key_table = key_table
        return {"sign": {"key_table": key_table,
                         "signing_table": f"refile:{signing_table}"}}

    def good(self) -> str:
        return f"good a.example:rsa:{BENCH.keys.file('a.example', 'rsa')}\n"

    def test_nothing(self):
        self.reload()
        self.configure(self.tables(self.good()))
        self.reload()

    def test_a_bad_line(self):
        """Told at once, though a table that was just written isn't yet in
        force; and each time, not only once."""
        self.configure(self.tables(self.good() + "bad\n"))
        for _ in range(2):
            line, = self.reload(f"{self.key_table}:2: ")
            self.assertNotIn("more like it", line)
        self.tables(self.good())
        self.reload()

    def test_many_bad_lines(self):
        bad = "bad\n" * 250
        self.configure(self.tables("worse\n" + self.good() + bad))
        line, = self.reload(f"{self.key_table}:1: ")
        self.assertIn("(and 250 more like it)", line)
        ran = BENCH.postern.ctl("reload", "--json")
        answer = json.loads(ran.out)
        self.want((0, True, []),
                  (ran.returncode, answer["ok"], answer["errors"]), "answer")
        self.want([line], [f"warning: {one}" for one in answer["warnings"]],
                  "warnings")

    def test_tables_that_others_can_write(self):
        self.configure(self.tables(self.good(), mode=0o646))
        line, = self.reload(self.key_table)
        self.assertIn("(and 1 more like it)", line)

    def test_what_waits_for_a_restart(self):
        """As long as it does: until it is as at the start again."""
        settings = {
            "dns": {"servers": ["127.0.0.1@53"], "cache_size": "2M"},
            "store": {"local_share": "10%"},
            "key_cache": 1234,
        }
        self.configure(settings)
        for _ in range(2):
            lines = self.reload(
                "key_cache: takes effect at a restart", "dns.servers: ",
                "dns.cache_size: ", "store.local_share: ")
            for line in lines:
                self.assertRegex(line, r"postern\.conf:\d+: ")
        self.want(2, BENCH.postern.text().count(
            "dns.servers: takes effect at a restart"), "lines in the log")
        self.configure({})
        self.reload()

    def test_what_is_likely_a_mistake(self):
        """What postern -t warns of."""
        settings = {"store": {"url": "redis://127.0.0.1:1/0"}}
        self.configure(settings)
        warned = [line for line in BENCH.postern.check().err.splitlines()
                  if line.startswith("warning: ")]
        self.want(1, len(warned), f"warnings of -t: {warned}")
        lines = self.reload("store.url: takes effect", "url: is not used")
        self.want(warned[0], lines[1], "the same words")

    def test_errors_alone(self):
        """Nothing is in force, so nothing is said of it."""
        self.configure({"key_cache": 1234, "log": {
            "target": "/nonexistent/postern.log"}})
        ran = BENCH.postern.ctl("reload")
        self.want(1, ran.returncode, f"exit status ({ran.out})")
        self.assertNotIn("warning", ran.err)
