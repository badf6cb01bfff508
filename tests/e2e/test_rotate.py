"""posternctl rotate: keys are exchanged with real name servers, nsupdate and
hooks, under a daemon that signs all the while."""

import json
import os
import re
import shutil
import stat
import time
import unittest

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.dns import Nsd, ScriptedDns
from harness.knot import Knot, dns_addresses
from harness.milterclient import applied
from harness.place import token, wait_until

BENCH = None
ONE = TWO = None  # name servers that are told what they have
SECONDS = 60.0

HOOK = """\
#!/bin/sh
# Notes what it is called with, and ends as a file beside it says.
cd '{path}' || exit 1
{{ printf '[%s]' "$@"; cat; }} >> calls
echo 'words of the hook' >&2
exit "$(cat status)"
"""


def setUpModule():
    global BENCH, ONE, TWO
    BENCH = Bench("rotate", keys=())
    try:
        ONE = Nsd(BENCH.place, name="one").start()
        TWO = Nsd(BENCH.place, name="two").start()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    for one in (ONE, TWO):
        if one is not None:
            one.stop()
    BENCH.stop()


def records(text: str) -> dict:
    """The records on standard output: {name: text}. Anything else there is an
    error: it is to be put into a zone file as it stands."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r'(\S+)\. 3600 IN TXT (\( )?("[^"]*" ?)+\)?', line)
        if match is None:
            raise AssertionError(f"not a line of a zone file: {line!r}")
        found[match[1]] = "".join(re.findall(r'"([^"]*)"', line))
    return found


def zone(found: dict) -> dict:
    return {name: [["TXT", text]] for name, text in found.items()}


class Rotate(Case):
    def setUp(self):
        self.domain = f"{token()}.example"

    def story(self):
        return BENCH.story() + ONE.story() + TWO.story()

    def ctl(self, *arguments, status: int = 0, json_too: bool = False):
        options = ["--json"] if json_too else []
        ran = BENCH.postern.ctl(*options, "rotate", *arguments)
        if ran.returncode != status:
            self.fail(f"rotate {' '.join(arguments)}: wanted exit status "
                      f"{status}, got {ran.returncode}\n{ran.out}{ran.err}")
        return json.loads(ran.out) if json_too else ran

    def json(self, *arguments, status: int = 0) -> dict:
        return self.ctl(*arguments, status=status, json_too=True)

    def configure(self, **rotate):
        BENCH.postern.configure({"rotate": rotate} if rotate else {})

    def files(self, domain: str = "") -> list:
        path = os.path.join(BENCH.postern.keys_path, domain or self.domain)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def want_files(self, *names: str) -> None:
        self.want(sorted(names), self.files(), "key files")

    def made(self) -> str:
        """The selector of the new key."""
        return self.json("--status", self.domain,
                         status=75)["new"][0]["selector"]

    def servers(self) -> list:
        return ["--server", ONE.server, "--server", TWO.server]

    def signed_by(self) -> list:
        """The selectors of a message's signatures, in order."""
        sender = f"x@{self.domain}"
        sent = message.compose(sender)
        answer = BENCH.send(sender, sent, sender)
        self.want_leaves(answer)
        text = applied(sent, answer).partition(b"\r\n\r\n")[0].decode()
        return sorted(re.findall(r"\bs=([^;\s]+)", text))


class ByHand(Rotate):
    """Records are printed, and somebody publishes them."""

    def setUp(self):
        super().setUp()
        self.configure()

    def test_waits_for_every_server(self):
        BENCH.keys.add(self.domain, "old", "ed25519")
        ran = self.ctl(*self.servers(), self.domain, status=75)
        found = records(ran.out)
        new, = (name.partition(".")[0] for name in found)
        self.assertRegex(new, r"^20\d{6}$")
        self.want([f"{new}._domainkey.{self.domain}"], list(found), "names")
        self.assertIn("k=ed25519", found[f"{new}._domainkey.{self.domain}"])
        self.assertIn("2 of 2", ran.err)
        self.want_files("old.private", f"{new}.pending")
        ONE.load(zone(found))
        ran = self.ctl("--continue", self.domain, status=75)
        self.assertIn("1 of 2", ran.out)
        self.assertIn(f"{TWO.server}: it doesn't show the record of {new}",
                      ran.out)
        self.assertNotIn(ONE.server, ran.out)
        self.want_files("old.private", f"{new}.pending")
        # Another key at the name is as good as none.
        name, = found
        TWO.load({name: [["TXT", "v=DKIM1; k=ed25519; p="
                          "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]]})
        ran = self.ctl("--continue", self.domain, status=75)
        self.assertIn("another key", ran.out)
        TWO.load(zone(found))
        ran = self.ctl("--continue", self.domain)
        self.assertIn(f"{new} signs; old signs no more", ran.out)
        self.want_files("old.retiring", f"{new}.private")

    def test_status(self):
        BENCH.keys.add_both(self.domain)
        self.ctl(*self.servers(), "--selector", "next", self.domain,
                 status=75)
        shown = self.json("--status", self.domain, status=75)
        self.want("waiting", shown["state"], "state")
        self.want(["nexte", "nextr"],
                  sorted(one["selector"] for one in shown["new"]), "new keys")
        self.want(["ed", "rsa"],
                  sorted(one["selector"] for one in shown["old"]), "old keys")
        self.want((4, 4), (shown["servers"]["lacking"],
                           shown["servers"]["asked"]), "answers")
        for server in (ONE.server, TWO.server):
            self.assertTrue(any(one.startswith(f"{server}: ")
                                for one in shown["servers"]["lacks"]), shown)
        text = self.ctl("--status", self.domain, status=75).out
        for one in shown["new"]:
            self.assertIn(one["record"], text)
        self.assertIn(self.domain, self.ctl("--status", status=75).out)
        every = self.json("--status", status=75)
        self.assertIn(self.domain, [one["domain"] for one in every["domains"]])
        self.ctl("--cancel", self.domain)

    def test_one_server_never_shows_it(self):
        """One that nobody can mend is left out; records are told again."""
        BENCH.keys.add(self.domain, "old", "ed25519")
        found = records(self.ctl(*self.servers(), self.domain, status=75).out)
        again = records(BENCH.postern.ctl("rotate", "--all").out)
        self.want(found, {name: again.get(name) for name in found}, "records")
        ONE.load(zone(found))
        self.ctl("--continue", self.domain, status=75)
        ran = self.ctl("--server", ONE.server, self.domain)
        self.assertIn("old signs no more", ran.err)

    def test_damaged_state(self):
        BENCH.keys.add(self.domain, "old", "ed25519")
        self.ctl(*self.servers(), self.domain, status=75)
        new = self.made()
        path = os.path.join(BENCH.postern.keys_path, ".rotate", self.domain)
        os.truncate(path, 40)
        ran = self.ctl("--status", self.domain, status=1)
        self.assertIn(f"{path} is damaged", ran.out)
        self.assertIn(f"{new}.pending (new, perhaps published)", ran.out)
        self.want_files("old.private", f"{new}.pending")
        ran = self.ctl("--cancel", self.domain)
        self.assertIn(f"remove      the record of {new}._domainkey", ran.out)
        self.want_files("old.private")

    def test_large_records(self):
        """An answer that only fits into TCP is an answer."""
        ran = self.ctl(*self.servers(), "--bits", "4096", "--selector", "big",
                       self.domain, status=75)
        found = records(ran.out)
        name, = found
        loaded = {name: [["TXT", found[name]],
                         *[["TXT", f"other text {i} " + "x" * 200]
                           for i in range(8)]]}
        ONE.load(loaded)
        TWO.load(loaded)
        ran = self.ctl("--continue", self.domain)
        self.assertIn("state       done", ran.out)
        self.want_files("big.private")

    def test_cancel(self):
        BENCH.keys.add(self.domain, "old", "ed25519")
        self.ctl(*self.servers(), self.domain, status=75)
        new = self.made()
        ran = self.ctl("--cancel", self.domain)
        self.assertIn("the old keys sign on", ran.out)
        self.assertIn(f"{new}._domainkey.{self.domain}", ran.out)
        self.want_files("old.private")
        self.assertIn("no rotation",
                      self.ctl("--cancel", self.domain, status=1).out)
        self.ctl("--continue", self.domain, status=1)
        self.ctl("--status", self.domain, status=1)

    def test_cancel_of_a_first_key(self):
        self.ctl(*self.servers(), self.domain, status=75)
        self.assertIn("no key that signs",
                      self.ctl("--cancel", self.domain).out)

    def test_finished_ones_are_counted(self):
        found = records(self.ctl(*self.servers(), self.domain, status=75).out)
        ONE.load(zone(found))
        TWO.load(zone(found))
        self.ctl("--continue", self.domain)
        ran = BENCH.postern.ctl("rotate", "--status")
        self.assertNotIn(self.domain, ran.out)
        self.assertRegex(ran.out, r"[1-9]\d* done")
        self.assertIn("state       done",
                      self.ctl("--status", self.domain).out)

    def test_only_the_daemon_may_read_it(self):
        self.ctl(*self.servers(), self.domain, status=75)
        path = os.path.join(BENCH.postern.keys_path, self.domain)
        uid = BENCH.postern.user.pw_uid
        for name, mode in (
                (path, 0o700), (os.path.join(path, self.files()[0]), 0o600),
                (os.path.join(BENCH.postern.keys_path, ".rotate"), 0o700)):
            status = os.stat(name)
            self.want((oct(mode), uid),
                      (oct(stat.S_IMODE(status.st_mode)), status.st_uid),
                      f"mode and owner of {name}")

    def test_signing_switches_without_a_restart(self):
        BENCH.keys.add_both(self.domain)
        self.want(["ed", "rsa"], self.signed_by(), "signatures before")
        ran = self.ctl(*self.servers(), "--selector", "next", self.domain,
                       status=75)
        self.want(["ed", "rsa"], self.signed_by(), "signatures meanwhile")
        found = records(ran.out)
        ONE.load(zone(found))
        TWO.load(zone(found))
        pid = BENCH.postern.process.pid
        self.ctl("--continue", self.domain)
        try:
            wait_until(lambda: self.signed_by() == ["nexte", "nextr"],
                       "signatures of the new keys", 5.0)
        except TimeoutError:
            self.want(["nexte", "nextr"], self.signed_by(), "signatures")
        self.want(pid, BENCH.postern.process.pid, "daemon")

    def test_genkey_knows_them(self):
        """No selector twice, and never more keys than can sign."""
        def genkey(status, *arguments):
            ran = BENCH.postern.ctl("genkey", "--algorithm", "ed25519",
                                    *arguments, self.domain)
            self.want(status, ran.returncode, f"genkey {arguments}")
            return ran.err
        self.ctl(*self.servers(), "--selector", "next", self.domain,
                 status=75)
        self.assertIn("selector next", genkey(1, "--selector", "next"))
        for i in range(8):
            genkey(0, "--selector", f"s{i}")
        self.assertIn("more than 8 keys", genkey(1, "--selector", "s8"))
        self.ctl("--cancel", self.domain)

    def test_wait(self):
        """--wait looks again until the servers show it."""
        begun = time.monotonic()
        ran = self.ctl(*self.servers(), "--wait", "2s", self.domain,
                       status=75)
        self.assertGreaterEqual(time.monotonic() - begun, 2.0)
        self.want(1, len(records(ran.out)), "records")
        self.want(2, ran.err.count("waiting"), "states")
        shown = self.json("--status", self.domain, status=75)
        found = zone({one["name"]: one["text"] for one in shown["new"]})
        ONE.load(found)
        TWO.load(found)
        self.want("done", self.json("--wait", "30s", self.domain)["state"],
                  "state")

    def test_usage(self):
        for arguments, word in (
                ([], "which domain"),
                (["--all", self.domain], "one of them"),
                (["--continue", "--status"], "one of them"),
                (["--cancel"], "--cancel: which domain"),
                (["--older-than", "0s", "--all"], "at least 1s"),
                (["--wait", "0m", "a.example"], "at least 1s"),
                (["--retire-after", "00h", "a.example"], "at least 1s"),
                (["a.example", "b.example"], "one domain"),
                (["--status", "--bits", "2048"], "start of a rotation"),
                (["--algorithm", "dsa", "a.example"], "ed25519"),
                (["--algorithm", "ed25519", "--bits", "2048", "a.example"],
                 "RSA"),
                (["--bits", "512", "a.example"], "1024"),
                (["--publish", "mail", "a.example"], "nsupdate"),
                (["--publish", "nsupdate", "a.example"], "nsupdate_key"),
                (["--publish", "hook", "a.example"], "rotate.hook"),
                (["--server", "ns1.example", "a.example"], "address"),
                (["--server", "127.0.0.1@0", "a.example"], "address"),
                (["--rate", "0", "--all"], "--rate"),
                (["--rate", "5", "a.example"], "--all"),
                (["--older-than", "soon", "--all"], "duration"),
                (["--wait", "1", "a.example"], "duration"),
                (["no domain"], "no domain")):
            with self.subTest(arguments):
                self.assertIn(word, self.ctl(*arguments, status=2).err)

    def test_keys_in_tables(self):
        """They aren't ours to exchange."""
        key = BENCH.place.write("table.key", "", 0o600)
        table = BENCH.place.write(
            "key.table", f"k {self.domain}:s1:{key}\n")
        signing = BENCH.place.write("signing.table", f"{self.domain} k\n")
        BENCH.postern.configure({"sign": {
            "key_table": table, "signing_table": signing}})
        ran = self.ctl(*self.servers(), self.domain, status=1)
        self.assertIn("sign.key_table", ran.err)
        self.want([], self.files(), "key files")

    def test_no_directory(self):
        """Where all keys are in tables there is nothing to exchange."""
        key = BENCH.place.write("table.key", "", 0o600)
        table = BENCH.place.write(
            "key.table", f"k {self.domain}:s1:{key}\n")
        signing = BENCH.place.write("signing.table", f"{self.domain} k\n")
        BENCH.postern.configure({"sign": {
            "keys": "", "key_table": table, "signing_table": signing}})
        try:
            for arguments in ([self.domain], ["--all"], ["--status"],
                              ["--continue", self.domain],
                              ["--cancel", self.domain]):
                with self.subTest(arguments):
                    self.assertIn("sign.keys is empty",
                                  self.ctl(*arguments, status=2).err)
            self.want("", self.ctl("--continue").out, "what the timer does")
            ran = BENCH.postern.ctl("genkey", self.domain)
            self.want(2, ran.returncode, "status of genkey")
            self.assertIn("sign.keys is empty", ran.err)
        finally:
            self.configure()


class ByHook(Rotate):
    def setUp(self):
        super().setUp()
        self.place = BENCH.place.make("hook", uid=BENCH.postern.user.pw_uid)
        program = BENCH.place.write(
            "hook/hook", HOOK.format(path=self.place), 0o755)
        self.end_with(0)
        self.calls()
        # Times are whole seconds: 1s may be over at once.
        self.configure(hook=program, retire_after="2s")
        BENCH.keys.add(self.domain, "old", "ed25519")

    def end_with(self, status: int) -> None:
        BENCH.place.write("hook/status", str(status))

    def calls(self) -> str:
        """What it was called with since this was asked last."""
        path = os.path.join(self.place, "calls")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="ascii") as file:
            text = file.read()
        os.remove(path)
        return text

    def test_adds_and_removes(self):
        self.ctl(*self.servers(), self.domain, status=75)
        one, = self.json("--status", self.domain, status=75)["new"]
        self.want(f"[add][{self.domain}][{one['selector']}][{one['name']}]"
                  f"{one['text']}\n", self.calls(), "call")
        ONE.load(zone({one["name"]: one["text"]}))
        TWO.load(zone({one["name"]: one["text"]}))
        self.ctl("--continue", self.domain)
        self.want("", self.calls(), "calls at the switch")

        def is_done():
            return self.json("--continue", self.domain)["state"] == "done"
        wait_until(is_done, "the end of the old key", SECONDS)
        self.assertRegex(
            self.calls(), rf"^\[remove\]\[{self.domain}\]\[old\]"
            rf"\[old\._domainkey\.{self.domain}\]v=DKIM1; k=ed25519; p=\S+\n$")
        self.want_files(f"{one['selector']}.private")

    def test_refuses(self):
        for status, ends, state in ((75, 75, "later"), (1, 1, "failed")):
            with self.subTest(status):
                self.end_with(status)
                shown = self.json(*self.servers(), self.domain, status=ends)
                self.want(state, shown["state"], "state")
                self.assertIn("words of the hook", shown["words"])
        for deed in ("--status", "--continue", "--status"):
            shown = self.json(deed, self.domain, status=1)
            self.want("failed", shown["state"], deed)
            self.assertIn("words of the hook; mend it, or posternctl rotate "
                          f"--cancel {self.domain}", shown["words"])
        self.assertIn(self.domain, self.ctl("--status", status=1).out)
        self.end_with(0)
        self.want("waiting",
                  self.json("--continue", self.domain, status=75)["state"],
                  "state")

        # Cancelling works though the hook doesn't.
        self.end_with(1)
        shown = self.json("--cancel", self.domain)
        self.want(("cancelled", 1), (shown["state"], len(shown["remove"])), "")
        self.assertIn("words of the hook", shown["words"])
        self.want_files("old.private")

    def test_status_tells_the_record(self):
        self.ctl(*self.servers(), self.domain, status=75)
        one, = self.json("--status", self.domain, status=75)["new"]
        out = self.ctl("--status", self.domain, status=75).out
        self.assertIn(f"{TWO.server}: it doesn't show the record", out)
        out += self.ctl("--status", status=75).out
        line = f'\n{one["name"]}. {one["ttl"]} IN TXT "{one["text"]}"\n'
        self.want(2, out.count(line), "records in the two of them")

    def test_cancel(self):
        self.ctl(*self.servers(), self.domain, status=75)
        new = self.made()
        self.calls()
        self.ctl("--cancel", self.domain)
        self.assertIn(f"[remove][{self.domain}][{new}]", self.calls())
        self.want_files("old.private")


class ByUpdate(Rotate):
    """A server that takes dynamic updates has the record at once."""

    def setUp(self):
        super().setUp()
        if shutil.which("nsupdate") is None:
            self.skipTest("no nsupdate")
        self.knot = Knot(BENCH.place, {self.domain: []},
                         name=f"knot-{self.domain}").start()
        self.addCleanup(self.knot.stop)
        key = self.knot.write_key(BENCH.place, f"key-{self.domain}",
                                  BENCH.postern.user.pw_uid)
        self.configure(nsupdate_key=key, nsupdate_server=self.knot.server,
                       publish=True, retire_after="1s")

    def story(self):
        return super().story() + self.knot.story()

    def name(self, selector: str) -> str:
        return f"{selector}._domainkey.{self.domain}"

    def test_all_of_it(self):
        BENCH.keys.add_both(self.domain)
        shown = self.json("--server", self.knot.server, "--wait", "30s",
                          "--selector", "new", "--bits", "4096", self.domain)
        self.want("switched", shown["state"], "state")
        for kind in ("r", "e"):
            text, = self.knot.texts(self.name("new" + kind))
            self.assertIn("v=DKIM1; k=", text)

        def is_done():
            return self.json("--continue", self.domain)["state"] == "done"
        wait_until(is_done, "the end of the old keys", SECONDS)
        self.want_files("newe.private", "newr.private")
        # The next one takes the first one's records away.
        self.ctl("--server", self.knot.server, "--algorithm", "ed25519",
                 "--selector", "next", "--retire-after", "1s", self.domain)
        wait_until(is_done, "the end of the second one", SECONDS)
        self.want([], self.knot.texts(self.name("newe")), "withdrawn")
        self.want(1, len(self.knot.texts(self.name("newr"))), "the other")

    def test_not_allowed(self):
        """A server that doesn't know the key says so, and nothing switches."""
        key = BENCH.place.write(
            "wrong.key", 'key "wrong" { algorithm hmac-sha256; secret '
            '"c2VjcmV0c2VjcmV0c2VjcmV0"; };\n', 0o644)
        os.chown(key, BENCH.postern.user.pw_uid, -1)
        self.configure(nsupdate_key=key, nsupdate_server=self.knot.server,
                       publish=True)
        BENCH.keys.add(self.domain, "old", "ed25519")
        shown = self.json("--server", self.knot.server, self.domain, status=1)
        self.assertIn(f"{key}: others can read", shown["words"])
        os.chmod(key, 0o600)
        shown = self.json("--continue", self.domain, status=1)
        self.want("failed", shown["state"], "state")
        self.assertIn("nsupdate: ", shown["words"])
        self.assertEqual("old.private", self.files()[1])


class Found(Rotate):
    """The name servers are those that the DNS names, at port 53."""

    @classmethod
    def setUpClass(cls):
        if shutil.which("nsupdate") is None:
            raise unittest.SkipTest("no nsupdate")
        cls.addresses = dns_addresses(2)
        cls.name = token()
        one, two = cls.addresses
        cls.zones = {
            f"{name}.{cls.name}.example": lines for name, lines in {
                "both": [],
                "parent": [f"_domainkey.parent.{cls.name}.example. NS "
                           f"ns2.parent.{cls.name}.example."],
                "aliased": [f"new._domainkey.aliased.{cls.name}.example. "
                            f"CNAME new.both.{cls.name}.example."]
            }.items()}
        child = f"_domainkey.parent.{cls.name}.example"
        near, far = f"near.{cls.name}.example", f"far.{cls.name}.example"
        cls.one = Knot(BENCH.place, {**cls.zones, near: []},
                       f"k1-{cls.name}", one)
        cls.two = Knot(BENCH.place, {**cls.zones, child: [], far: []},
                       f"k2-{cls.name}", two)
        cls.keys = []
        for knot in (cls.one, cls.two):
            knot.start()
            cls.addClassCleanup(knot.stop)
            cls.keys.append(knot.write_key(
                BENCH.place, f"key-{knot.name}", BENCH.postern.user.pw_uid))
        known = {near: [["NS", f"ns1.{near}"]], f"ns1.{near}": [["A", one]],
                 far: [["NS", f"ns1.{far}"]], f"ns1.{far}": [["A", two]],
                 f"mail.{near}": [["CNAME", far]]}
        for zone_name in (*cls.zones, child):
            known[zone_name] = [["NS", f"ns1.{zone_name}"],
                                ["NS", f"ns2.{zone_name}"]]
            known[f"ns1.{zone_name}"] = [["A", one]]
            known[f"ns2.{zone_name}"] = [["A", two]]
        del known[child]
        known["co.uk"] = [["NS", "ns1.co.uk"]]
        known["ns1.co.uk"] = [["A", one]]
        known[f"gone.{cls.name}.example"] = [
            ["NS", f"nowhere.{cls.name}.example"]]
        cls.resolver = ScriptedDns(known)
        cls.addClassCleanup(cls.resolver.stop)

    def setUp(self):
        super().setUp()
        self.resolver.forget()

    def tearDown(self):
        """Nobody must learn, and keep, that the new name isn't there yet."""
        asked = [name for name, _ in self.resolver.questions()
                 if name.startswith("new") or "_domainkey" in name]
        self.want([], asked, "what a resolver was asked for")

    def story(self):
        return super().story() + self.one.story() + self.two.story() \
            + self.resolver.story()

    def set(self, name: str, **rotate):
        self.domain = f"{name}.{self.name}.example"
        BENCH.postern.configure({**self.resolver.settings(),
                                 "rotate": rotate})

    def start(self, status: int = 75, **how) -> dict:
        return self.json("--selector", "new", "--algorithm", "ed25519",
                         *how.get("more", []), self.domain, status=status)

    def test_every_server(self):
        one, two = self.addresses
        self.set("both", nsupdate_key=self.keys[0], publish=True,
                 nsupdate_server=self.one.server)
        shown = self.start()
        self.want((1, 2), (shown["servers"]["lacking"],
                           shown["servers"]["asked"]), "answers")
        self.want([f"ns2.{self.domain} ({two}): it doesn't show the record "
                   "of new"],
                  shown["servers"]["lacks"], "what is lacking")
        new, = shown["new"]
        self.two.add(self.keys[1], new["name"], new["text"])
        self.want("done", self.json("--continue", self.domain)["state"],
                  "state")

    def test_a_server_that_is_down(self):
        self.set("both")
        self.two.stop()
        try:
            shown = self.start(more=["--selector", "newer"])
        finally:
            self.two.start()
        self.assertIn(f"ns2.{self.domain} ({self.addresses[1]}): nobody "
                      "listens there", shown["servers"]["lacks"])
        self.ctl("--cancel", self.domain)

    def test_delegation(self):
        """Keys may have a zone of their own; nsupdate must be told."""
        self.set("parent", nsupdate_key=self.keys[1], publish=True,
                 nsupdate_server=self.two.server)
        self.want("done", self.start(status=0)["state"], "state")

    def test_alias(self):
        self.set("aliased", nsupdate_key=self.keys[0], publish=True,
                 nsupdate_server=self.one.server)
        shown = self.start(status=1)
        self.assertIn(f"is an alias of new.both.{self.name}.example",
                      shown["words"])
        self.ctl("--cancel", self.domain)
        shown = self.start(more=["--publish", "print"])
        self.assertIn(f"(asked for new.both.{self.name}.example)",
                      shown["servers"]["lacks"][0])
        for knot, key in zip((self.one, self.two), self.keys):
            knot.add(key, f"new.both.{self.name}.example",
                     shown["new"][0]["text"])
        self.want("done", self.json("--continue", self.domain)["state"],
                  "state")

    def test_alias_of_another_zone(self):
        """A name that is an alias lies in its own zone all the same."""
        self.set("mail.near")
        shown = self.start()
        self.want([f"ns1.near.{self.name}.example ({self.addresses[0]}): it "
                   "doesn't show the record of new"],
                  shown["servers"]["lacks"], "what is lacking")

    def test_nobody_to_ask(self):
        self.set("gone")
        shown = self.start()
        self.want([f"nowhere.{self.name}.example: its address isn't known"],
                  shown["servers"]["lacks"], "what is lacking")
        self.resolver.behave(self.domain, lambda question:
                             question.error("SERVFAIL"))
        shown = self.json("--continue", self.domain, status=75)
        self.assertIn("can't be looked up", shown["words"])
        self.resolver.heal()

    def test_not_registered(self):
        """Where only the registry has servers there is no zone to be in."""
        for rotate in ({}, {"nsupdate_key": self.keys[0], "publish": True}):
            with self.subTest(rotate):
                self.set("none", **rotate)
                self.domain = f"{self.name}.co.uk"
                self.assertIn("is it registered?",
                              self.start(status=1)["words"])
                self.want("failed", self.json("--status", self.domain,
                                              status=1)["state"], "state")
                self.ctl("--cancel", self.domain)


class All(Rotate):
    def test_all(self):
        """Every domain with keys; those under way, or young, are left."""
        self.configure()
        shutil.rmtree(BENCH.postern.keys_path)
        keys = BENCH.keys
        keys.__init__(keys.path, BENCH.postern.user.pw_uid,
                      BENCH.postern.user.pw_gid)
        domains = [f"d{i}.example" for i in range(12)]
        old = time.time() - 40 * 86400
        for domain in domains:
            path = keys.add(domain, "old", "ed25519")
            if domain != "d7.example":
                os.utime(path, (old, old))
        os.mkdir(os.path.join(keys.path, "empty.example"))
        with open(keys.file("d3.example", "bad"), "w") as file:
            file.write("no key")
        os.chmod(keys.file("d3.example", "bad"), 0o600)
        os.chown(keys.file("d3.example", "bad"), BENCH.postern.user.pw_uid, -1)
        arguments = ["--all", "--older-than", "30d", "--rate", "100/s",
                     *self.servers()]
        ran = self.ctl(*arguments, status=1)
        found = records(ran.out)
        self.want(10, len(found), "records")
        self.assertIn("10 started now", ran.err)
        self.assertIn("bad.private", ran.err)
        shown = self.json(*arguments, status=1)
        self.want((0, 0, 1), tuple(shown["summary"][one] for one in
                                   ("started", "waiting", "failed")),
                  "the second time")
        told = {one["domain"]: one["words"] for one in shown["domains"]}
        self.assertIn("under way", told["d0.example"])
        self.assertNotIn("d7.example", told)
        ONE.load(zone(found))
        TWO.load(zone(found))
        shown = self.json("--continue")
        self.want((10, 0), tuple(shown["summary"][one] for one in
                                 ("switched", "waiting")), "carried on")
        self.want("", self.ctl("--continue").out, "nothing to say")
        self.want("old.retiring", [
            one for one in self.files("d0.example") if "old" in one][0],
            "the old key")
        self.want(["old.private"], self.files("d7.example"), "a young key")
