"""posternctl at work on limits: another max for one account, blocks, who
sends most, and what the blocked have in Postfix's queue."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import message
from harness.bench import Bench
from harness.ctlcase import CtlCase
from harness.place import token, wait_until
from harness.postern import SANITIZERS, is_sanitized, program
from harness.world import RELAYER, World

BENCH = None
MAPS = ""
OWN = "a.example"
MAX = 5
ADDRESSES = (f"198.18.{one}.{other}" for one in range(256)
             for other in range(256))
LIMITS = {
    ("limit", "hourly"): {"key": "account", "count": "recipients",
                          "max": MAX, "per": "1h", "action": "tempfail"},
    ("limit", "daily"): {"key": "account", "count": "messages",
                         "max": 1000, "per": "1d", "action": "reject"},
    ("limit", "customer"): {"key": "parent", "count": "messages",
                            "max": 100000, "per": "1d", "action": "reject"},
    ("limit", "domain"): {"key": "from_domain", "count": "bytes",
                          "max": 1 << 40, "per": "1d", "action": "reject"},
    ("limit", "all"): {"key": "global", "count": "messages",
                       "max": 1000000, "per": "1d", "action": "reject"},
    ("plan", "normal"): {"limits": ["hourly"]},
    ("plan", "shop"): {"limits": ["daily"]},
}


def setUpModule():
    global BENCH, MAPS
    MAPS = tempfile.mkdtemp(prefix="postern-maps-")
    os.chmod(MAPS, 0o755)
    path = os.path.join(MAPS, "accounts")
    with open(path, "w", encoding="utf-8") as file:
        file.write("@shop.example - Customer-7 shop\n"
                   "old@a.example new@a.example\n")
    os.chmod(path, 0o644)
    BENCH = Bench("blocks", {
        **LIMITS, "accounts": {"map": f"texthash:{path}",
                               "default_plan": "normal"}}, keys=(OWN,))


def tearDownModule():
    BENCH.stop()
    shutil.rmtree(MAPS)


class Ctl(CtlCase):
    addresses = ADDRESSES
    domain = OWN

    @classmethod
    def bench(cls):
        return BENCH

    def show(self, *arguments) -> dict:
        return self.json("limits", "show", *arguments)

    def limit(self, name: str, *arguments) -> dict:
        """What is shown of one limit."""
        one, = self.show("--limit", name, *arguments)["limits"]
        return one

    def want_blocked(self, answer, *words) -> None:
        self.want_answer(answer, "reply", "550 5.7.1", "blocked", *words)


class Set(Ctl):
    def tearDown(self):
        self.bench().postern.ctl("limits", "set", self.login, "hourly",
                                 "default")

    def test_more_gives_room_at_once(self):
        self.want_leaves(self.send(MAX))
        self.want_answer(self.send(), "reply", "450 4.7.1")
        self.until_remembered(self.send)
        ran = self.ctl("limits", "set", self.login, "hourly", str(MAX + 3))
        self.assertIn(f"was {MAX} by the configuration", ran.out)
        self.assertIn(f"is {MAX + 3} for good", ran.out)
        self.want_leaves(self.send(3))
        self.want_answer(self.send(), "reply", "450 4.7.1", str(MAX + 3))

    def test_less_holds_at_once(self):
        self.want_leaves(self.send(2))
        self.ctl("limits", "set", self.login, "hourly", "2")
        self.want_answer(self.send(), "reply", "450 4.7.1")
        self.ctl("limits", "set", self.login, "hourly", "default")
        self.want_leaves(self.send(MAX - 2))

    def test_nothing_leaves(self):
        self.ctl("limits", "set", self.login, "hourly", "0")
        self.want_answer(self.send(), "reply", "550 5.7.1")
        one = self.limit("hourly", self.login)
        self.want((0, False, None), (one["max"], one["fits"],
                                     one["room_in"]), "max, fits, room")
        self.assertRegex(self.ctl("limits", "show", self.login).out,
                         r"(?m)^hourly +0 +0 .* never +5 by the "
                         r"configuration, for good$")

    def test_nobody_else_is_meant(self):
        self.ctl("limits", "set", self.login, "hourly", "0")
        self.want_leaves(self.send(login=f"{token()}@{OWN}"))

    def test_for_a_while(self):
        self.ctl("limits", "set", self.login, "hourly", "0", "--for", "2s",
                 "--reason", "just a moment")
        one = self.limit("hourly", self.login)
        self.want((0, "just a moment"),
                  (one["override"]["max"], one["override"]["reason"]),
                  "override")
        self.assertRegex(one["override"]["until"],
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn(one["override"]["ends_in"], (0, 1, 2))
        self.want_answer(self.send(), "reply", "550 5.7.1")
        wait_until(lambda: self.send().ok, "the end of it", 20)
        self.want((MAX, None), tuple(self.limit("hourly", self.login)[name]
                                     for name in ("max", "override")),
                  "max, override")

    def test_what_was_and_what_is(self):
        first = self.json("limits", "set", self.login, "hourly", "7",
                          "--reason", "one")
        self.want((None, 7, MAX, "one"),
                  (first["was"], first["max"], first["configured_max"],
                   first["override"]["reason"]), "first")
        second = self.json("limits", "set", self.login, "hourly", "9")
        self.want((7, "one", 9, None),
                  (second["was"]["max"], second["was"]["reason"],
                   second["max"], second["override"]["until"]), "second")
        last = self.json("limits", "set", self.login, "hourly", "default")
        self.want((9, MAX, None), (last["was"]["max"], last["max"],
                                   last["override"]), "last")

    def test_default_of_nothing(self):
        self.ctl("limits", "set", self.login, "hourly", "default", status=1)

    def test_other_keys(self):
        domain = f"{token()}.example"
        self.ctl("limits", "set", domain.upper(), "domain", "1K")
        self.want(1024, self.limit("domain", domain)["max"], "max")
        self.want_leaves(self.send(login=f"x@{domain}"))
        big = message.compose(f"x@{domain}", body=b"x" * 70 + b"\r\n" * 700)
        self.want_answer(BENCH.send(
            f"x@{domain}", big, f"x@{domain}",
            connection={"address": self.address}), "reply", "550 5.7.1")
        self.ctl("limits", "set", domain, "domain", "default")

    def test_limit_of_another_plan(self):
        ran = self.ctl("limits", "set", self.login, "daily", "3")
        self.assertIn("plan", ran.err)
        one, = [one for one in self.show(self.login)["limits"]
                if one["limit"] == "daily"]
        self.want((False, 3), (one["holds"], one["max"]), "holds, max")
        self.ctl("limits", "set", self.login, "daily", "default")
        self.want([], [one for one in self.show(self.login)["limits"]
                       if one["limit"] == "daily"], "daily")

    def test_store_that_is_not_there_yet(self):
        """What is said before the daemon's first start isn't lost."""
        path = BENCH.place.make("fresh", mode=0o700,
                                uid=BENCH.postern.user.pw_uid,
                                gid=BENCH.postern.user.pw_gid)
        with open(BENCH.postern.file, encoding="utf-8") as file:
            text = file.read()
        other = BENCH.place.write("fresh.conf", text.replace(
            f'path = "{BENCH.postern.state}"', f'path = "{path}"'))
        self.ctl("-c", other, "block", "a@b.example", "--reason", "early")
        one, = self.json("-c", other, "blocked")["blocked"]
        self.want(("a@b.example", "early"), (one["value"], one["reason"]),
                  "block")


class Whose(Ctl):
    def test_plan_and_parent_by_the_map(self):
        login = f"{token()}@shop.example"
        shown = self.show(login)
        self.want(("customer-7", "shop", ["daily", "held:local"]),
                  (shown["parent"], shown["plan"],
                   [one["limit"] for one in shown["limits"]]), "whose")
        self.want_leaves(self.send(MAX + 1, login=login))
        self.want(1, self.used("daily", login), "used")
        self.want("normal", self.show(self.login)["plan"], "default plan")
        self.assertRegex(self.ctl("limits", "show", login).out,
                         r"(?m)^plan +shop$")

    def test_what_the_map_calls_it(self):
        self.want_leaves(self.send(2, login=f"old@{OWN}"))
        ran = self.ctl("limits", "show", f"OLD@{OWN}")
        self.assertIn(f"old@{OWN} is counted as new@{OWN}", ran.out)
        self.want(2, self.used("hourly", f"new@{OWN}"), "used")
        self.want(2, self.used("hourly", f"old@{OWN}"), "used by the login")
        self.ctl("limits", "reset", f"old@{OWN}")
        self.want(0, self.used("hourly", f"new@{OWN}"), "used after all")

    def test_parent(self):
        before = self.used("customer", "--key", "parent", "Customer-7")
        self.want_leaves(self.send(login=f"{token()}@shop.example"))
        self.want(before + 1,
                  self.used("customer", "--key", "parent", "Customer-7"),
                  "used")

    def test_global(self):
        before = self.used("all", "--key", "global")
        self.want_leaves(self.send())
        self.want(before + 1, self.used("all", "--limit", "all"), "used")


class Block(Ctl):
    def test_refused_at_once_and_let_go_at_once(self):
        self.want_leaves(self.send())
        ran = self.ctl("block", self.login.upper(), "--reason",
                       "stolen password")
        self.assertIn(f"account {self.login} is blocked for good", ran.out)
        self.want_blocked(self.send(), "stolen password")
        self.want_blocked(self.send(), "stolen password")
        self.until_remembered(self.send)
        self.want_leaves(self.send(login=f"{token()}@{OWN}"))
        ran = self.ctl("unblock", self.login)
        self.assertIn("no longer blocked", ran.out)
        self.want_leaves(self.send())

    def test_without_control_socket(self):
        """By the store's epoch, within about a second."""
        with open(BENCH.postern.file, encoding="utf-8") as file:
            lines = [line for line in file
                     if not line.startswith("control = ")]
        mute = BENCH.place.write("mute.conf",
                                 'control = ""\n' + "".join(lines))
        self.ctl("-c", mute, "block", self.login)
        self.want_blocked(self.send())
        self.until_remembered(self.send)
        self.ctl("-c", mute, "unblock", self.login)
        wait_until(lambda: self.send().ok, "the end of the block", 15)

    def test_for_a_while(self):
        self.ctl("block", self.login, "--for", "2s")
        self.want_blocked(self.send())
        wait_until(lambda: self.send().ok, "the end of the block", 20)
        self.ctl("unblock", self.login, status=1)

    def test_other_keys(self):
        domain, login = f"{token()}.example", f"{token()}@shop.example"
        for key, name, how in (
                ("client_ip", self.address, {}),
                ("parent", "Customer-7", {"login": login}),
                ("sender", self.login, {}),
                ("from_domain", domain, {"login": f"x@{domain}"})):
            with self.subTest(key):
                self.want_leaves(self.send(**how))
                self.ctl("block", "--key", key, name, "--reason", "why not")
                try:
                    self.want_blocked(self.send(**how), "why not")
                finally:
                    self.ctl("unblock", "--key", key, name)
                self.want_leaves(self.send(**how))

    def test_is_shown(self):
        self.ctl("block", self.login, "--for", "2h", "--reason", "why not")
        shown = self.show(self.login)["blocked"]
        self.want(("account", self.login, "why not"),
                  tuple(shown[name] for name in ("key", "value", "reason")),
                  "block")
        self.assertRegex(self.ctl("limits", "show", self.login).out,
                         r"(?m)^blocked +until .*: why not$")
        listed = {one["value"]: one for one
                  in self.json("blocked", "--key", "account")["blocked"]}
        self.want("why not", listed[self.login]["reason"], "reason")
        self.assertLessEqual(listed[self.login]["ends_in"], 7200)
        self.assertGreater(listed[self.login]["ends_in"], 7100)
        self.want([], [one for one in
                       self.json("blocked", "--key", "sender")["blocked"]
                       if one["value"] == self.login], "other key")
        self.assertRegex(self.ctl("blocked").out,
                         rf"(?m)^account +{self.login} .* why not$")
        self.ctl("unblock", self.login)

    def test_parent_is_shown_too(self):
        self.ctl("block", "--key", "parent", "b.example")
        shown = self.show("x@b.example")["blocked"]
        self.want(("parent", "b.example"), (shown["key"], shown["value"]),
                  "block")
        self.ctl("unblock", "--key", "parent", "b.example")
        self.want(None, self.show("x@b.example")["blocked"], "block")

    def test_again_and_again(self):
        self.json("block", self.login, "--reason", "one")
        second = self.json("block", self.login, "--reason", "two")
        self.want(("one", "two"), (second["was"]["reason"],
                                   second["blocked"]["reason"]), "reasons")
        self.want("two", self.json("unblock", self.login)["was"]["reason"],
                  "what was")
        self.want(None, self.json("unblock", self.login, status=1)["was"],
                  "what was then")

    def test_odd_names(self):
        for name in ("a{b}*?[c]", "a\x1b[2Jb", "uid:1000", "\u00e4\u00f6"):
            with self.subTest(name):
                ran = self.ctl("block", name)
                self.assertNotIn("\x1b", ran.out)
                self.ctl("unblock", name)
                self.ctl("unblock", name, status=1)

    def test_reset_leaves_the_block(self):
        self.want_leaves(self.send())
        self.ctl("block", self.login)
        self.ctl("limits", "reset", self.login)
        self.want_blocked(self.send())
        self.ctl("unblock", self.login)

    def test_queue_is_for_root(self):
        postern = self.bench().postern
        ran = subprocess.run(
            [program("posternctl"), "-c", postern.file, "block", self.login,
             "--queue"], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, cwd="/", timeout=60,
            env={**os.environ, **SANITIZERS},
            user=postern.user.pw_uid, group=postern.user.pw_gid,
            extra_groups=[])
        self.want(2, ran.returncode, f"status; {ran.stderr}")


class Top(Ctl):
    def top(self, *arguments) -> list:
        return self.json("top", *arguments)["limits"]

    def test_order_and_number(self):
        logins = [f"{token()}@{OWN}" for _ in range(4)]
        for count, login in enumerate(logins, MAX - 4):
            self.want_leaves(self.send(count + 1, login=login))
        self.ctl("limits", "set", logins[-1], "hourly", "50")
        one, = self.top("--limit", "hourly", "-n", "1000")
        self.want(("account", "recipients", MAX, 3600),
                  tuple(one[name] for name in ("key", "count", "max",
                                               "per")), "limit")
        mine = [(row["name"], row["used"], row["max"])
                for row in one["top"] if row["name"] in logins]
        self.want([(logins[3], 5, 50), (logins[2], 4, MAX),
                   (logins[1], 3, MAX), (logins[0], 2, MAX)], mine, "top")
        used = [row["used"] for row in one["top"]]
        self.want(sorted(used, reverse=True), used, "order")
        short, = self.top("--limit", "hourly", "-n", "2")
        self.want(one["top"][:2], short["top"], "the first two")

    def test_which_limits(self):
        for arguments, limits in (
                ([], ["hourly", "daily", "customer", "domain", "all"]),
                (["--count", "messages"], ["daily", "customer", "all"]),
                (["--key", "parent"], ["customer"]),
                (["--key", "account", "--count", "messages"], ["daily"]),
                (["--count", "refusals"], []),
                (["--limit", "held:local"], ["held:local"])):
            with self.subTest(arguments):
                self.want(limits, [one["limit"]
                                   for one in self.top(*arguments)],
                          "limits")

    def test_text(self):
        login = f"{token()}@{OWN}"
        self.want_leaves(self.send(MAX, login=login))
        ran = self.ctl("top", "-n", "1000", "--limit", "hourly")
        self.assertIn("hourly: recipients by account, per 1 h", ran.out)
        self.assertRegex(ran.out, rf"(?m)^ +\d+ +{login} +5 +5 +100 %$")
        self.assertIn("no such limit",
                      self.ctl("top", "--count", "refusals").out)


class Queue(CtlCase):
    """What the blocked have in a real Postfix's queue."""

    addresses = ADDRESSES
    domain = OWN
    world = None

    @classmethod
    def bench(cls):
        return cls.world

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or is_sanitized():
            raise unittest.SkipTest("needs root, and posternctl as root")
        cls.world = World("queue", {"mode": "observe"},
                          defer_transports="smtp")

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def mail(self, login: str, sender: str = "", **how) -> None:
        """One message that stays in the queue."""
        author = sender or login or "a@b.example"
        self.want_reply(self.world.send(
            sender, f"{token()}@out.example", message.compose(author),
            login, **how), 250)

    def settle(self, count: int) -> None:
        """Wait until qmgr has put so many aside."""
        wait_until(lambda: len(self.world.postfix.queue("deferred"))
                   + len(self.world.postfix.queue("hold")) >= count,
                   "the queue to settle", 30)

    def tearDown(self):
        self.world.postfix.delete("ALL")

    def block(self, *arguments, status: int = 0) -> dict:
        return json.loads(self.ctl(
            "--json", "block", *arguments, "--postfix",
            self.world.postfix.etc, status=status).out)["queue"]

    def held(self) -> int:
        return len(self.world.postfix.queue("hold"))

    def test_login_tells_whose_it_is(self):
        other = f"{token()}@{OWN}"
        self.mail(self.login, "forged@b.example")
        self.mail(self.login, "")
        self.mail(other, self.login)
        self.mail("", self.login, address=RELAYER)
        self.settle(4)
        found = self.block(self.login.upper(), "--queue")
        self.want((4, 2, 0, 0), tuple(found[name] for name in (
            "looked_at", "found", "held", "unread")), "queue")
        self.want({"forged@b.example", "MAILER-DAEMON"},
                  {one["sender"] for one in found["messages"]}, "senders")
        self.want({self.login}, {one["login"] for one in found["messages"]},
                  "logins")
        self.want(0, self.held(), "held")
        found = self.block(self.login, "--queue=hold")
        self.want((2, 2, {"hold"}), (found["found"], found["held"], {
            one["queue"] for one in found["messages"]}), "queue")
        self.want(2, self.held(), "held")

    def test_text(self):
        self.mail(self.login, "b@b.example")
        self.settle(1)
        ran = self.ctl("block", self.login, "--queue=list", "--postfix",
                       self.world.postfix.etc)
        self.assertIn(f"1 of 1 messages are of {self.login}", ran.out)
        self.assertRegex(ran.out, r"(?m)^\w+ +deferred .* b@b\.example +"
                         + self.login + "$")

    def test_host_sender_client_and_parent(self):
        ran = self.world.postfix.sendmail(
            ["-f", "root@x.example", f"{token()}@out.example"],
            b"Subject: x\n\nx\n")
        self.want(0, ran.returncode, "sendmail")
        self.mail(self.login, "b@b.example", address="203.0.113.9")
        self.settle(2)
        for arguments, senders in (
                (["local:host.postern.example"], {"root@x.example"}),
                (["--key", "sender", "b@B.example"], {"b@b.example"}),
                (["--key", "client_ip", "203.0.113.9"], {"b@b.example"}),
                (["--key", "parent", OWN], {"b@b.example"}),
                (["--key", "parent", "c.example"], set())):
            with self.subTest(arguments):
                found = self.block(*arguments, "--queue")
                self.want(senders, {one["sender"]
                                    for one in found["messages"]},
                          "senders")

    def test_more_than_one_batch(self):
        with self.world.client(self.login) as client:
            for _ in range(230):
                self.want_reply(client.send(
                    "b@b.example", "r@out.example",
                    message.compose("b@b.example")), 250)
        self.mail("", "b@b.example", address=RELAYER)
        self.settle(231)
        found = self.block(self.login, "--queue=hold")
        self.want((231, 230, 230), (found["looked_at"], found["found"],
                                    found["held"]), "queue")
        self.want(230, self.held(), "held")

    def test_empty_queue(self):
        found = self.block(self.login, "--queue=hold")
        self.want((0, []), (found["looked_at"], found["messages"]), "queue")

    def test_block_stands_without_a_queue(self):
        ran = self.ctl("block", self.login, "--queue", "--postfix",
                       "/nowhere", status=75)
        self.assertIn("is blocked, but its queue", ran.err)
        self.assertIn("/nowhere", ran.err)
        self.want([self.login], [one["value"] for one
                                 in self.json("blocked")["blocked"]
                                 if one["value"] == self.login], "blocked")

    def test_rights_are_given_up(self):
        """The store's files stay the daemon's."""
        self.block(self.login, "--queue")
        postern = self.world.postern
        self.want({postern.user.pw_uid}, {
            os.stat(os.path.join(postern.state, name)).st_uid
            for name in os.listdir(postern.state)}, "owners")
