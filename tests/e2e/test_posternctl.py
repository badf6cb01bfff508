"""posternctl: looks at a daemon and steers it. (test_explain has explain.)"""

import glob
import json
import os
import re
import socket
import stat
import subprocess
import threading

from harness import dkimcheck, message
from harness.bench import Bench
from harness.ctlcase import CtlCase
from harness.milterclient import applied
from harness.place import token, wait_until
from harness.postern import SANITIZERS, program

BENCH = None
OWN = "a.example"
MAX, MAX_CLIENT, MAX_RECIPIENTS = 5, 7, 3
ADDRESSES = (f"198.18.{one}.{other}" for one in range(256)
             for other in range(256))
SETTINGS = {
    "senders": {"on_mismatch": "reject"},
    ("class", "submission"): {"max_recipients": MAX_RECIPIENTS},
    ("limit", "hourly"): {"key": "account", "count": "recipients",
                          "max": MAX, "per": "1h", "action": "tempfail"},
    ("limit", "address"): {"key": "client_ip", "count": "messages",
                           "max": MAX_CLIENT, "per": "1d",
                           "action": "reject"},
    ("limit", "domain"): {"key": "from_domain", "count": "messages",
                          "max": 100000, "per": "1d", "action": "reject",
                          "mode": "observe"},
}


def setUpModule():
    global BENCH
    BENCH = Bench("posternctl", SETTINGS, keys=(OWN,))


def tearDownModule():
    BENCH.stop()


class Ctl(CtlCase):
    addresses = ADDRESSES
    domain = OWN

    @classmethod
    def bench(cls):
        return BENCH


class Usage(Ctl):
    def test_what_is_wrong_is_told(self):
        for arguments, words in (
                ([], "usage"),
                (["dance"], '"dance"'),
                (["limits"], "limits"),
                (["limits", "dance"], "usage"),
                (["limits", "show"], "account"),
                (["limits", "show", "a", "b"], "one account"),
                (["limits", "show", "--key", "colour", "a"], "from_domain"),
                (["limits", "show", "--key", "sender", "a"], "a"),
                (["limits", "show", "--key", "global", "a"], "all"),
                (["limits", "set", "a", "hourly"], "max"),
                (["limits", "set", "a", "none", "5"], "hourly"),
                (["limits", "set", "a", "hourly", "5K"], "digits"),
                (["limits", "set", "--", "a", "hourly", "-5"], "digits"),
                (["limits", "set", "a", "hourly", "5", "--for", "2"],
                 "duration"),
                (["limits", "set", "a", "hourly", "5", "--reason",
                  "a\nb"], "printable"),
                (["limits", "set", "a", "hourly", "default", "--for",
                  "2h"], "default"),
                (["limits", "set", "nowhere", "address", "5"],
                 "192.0.2.1"),
                (["block"], "account"),
                (["block", "a", "b"], "one name"),
                (["block", ""], "name"),
                (["block", "x" * 513], "512"),
                (["block", "--key", "global", "all"], "everybody"),
                (["block", "--key", "from_domain", "b.example (bob)"],
                 "without the account"),
                (["block", "a", "--for", "never"], "duration"),
                (["block", "a", "--reason", "x" * 201], "200"),
                (["block", "a", "--reason", "\x1b[2J"], "printable"),
                (["block", "a", "--queue=all"], "list or hold"),
                (["block", "a", "--postfix", "/etc"], "--queue"),
                (["block", "a", "--queue", "--postfix", "etc"], "path"),
                (["block", "uid:7", "--queue"], "user ids"),
                (["unblock"], "account"),
                (["unblock", "--key", "global", "all"], "everybody"),
                (["blocked", "a"], "no arguments"),
                (["blocked", "--key", "colour"], "from_domain"),
                (["top", "a"], "no arguments"),
                (["top", "-n", "0"], "1000"),
                (["top", "-n", "1001"], "1000"),
                (["top", "-n", "ten"], "1000"),
                (["top", "--count", "blocks"], "refusals"),
                (["top", "--limit", "none"], "hourly"),
                (["limits", "show", "--limit", "none", "a"], "hourly"),
                (["limits", "show", "--key", "account", "--limit",
                  "address", "a"], "account"),
                (["limits", "show", "--key", "client_ip", "nowhere"],
                 "192.0.2.1"),
                (["limits", "show", "--key", "from_domain", "a b"], "a b"),
                (["limits", "reset", ""], "name"),
                (["limits", "show", "x" * 513], "512"),
                (["status", "now"], "no arguments"),
                (["status", "--loudly"], "--loudly"),
                (["reload", "all"], "no arguments"),
                (["genkey"], "domain"),
                (["genkey", "a.example", "b.example"], "one domain"),
                (["genkey", "no domain"], "no domain"),
                (["genkey", "--algorithm", "dsa", "a.example"], "ed25519"),
                (["genkey", "--bits", "512", "a.example"], "1024"),
                (["genkey", "--bits", "2k", "a.example"], "1024"),
                (["genkey", "--algorithm", "ed25519", "--bits", "2048",
                  "a.example"], "RSA"),
                (["genkey", "--selector", "../x", "a.example"], "letters"),
                (["explain", "message.eml"], "standard input"),
                (["explain", "--client", "localhost"], "address"),
                (["explain", "--port", "65536"], "65535"),
                (["explain", "--uid", "5", "--login", "a"], "uid"),
                (["explain", "--uid", "5", "--client", "192.0.2.1"], "uid"),
                (["explain", "--uid", "me", "--client", "127.0.0.1"],
                 "uid")):
            with self.subTest(arguments):
                ran = self.ctl(*arguments, status=2)
                self.assertIn(words, ran.err)
                self.want("", ran.out, "standard output")

    def test_help(self):
        ran = self.ctl("--help")
        for word in ("limits show", "limits set", "limits reset", "top",
                     "block ", "unblock", "blocked", "status", "reload",
                     "genkey", "explain"):
            self.assertIn(word, ran.out)
        self.assertIn("--selector", self.ctl("genkey", "--help").out)
        self.assertRegex(self.ctl("--version").out, r"^posternctl \d")

    def test_options_stand_anywhere(self):
        name = BENCH.postern.file
        for arguments in (["limits", "show", "a", "--json"],
                          ["--json", "limits", "show", "a"],
                          ["limits", "show", "--json", "a", "-c", name]):
            with self.subTest(arguments):
                self.want("a", json.loads(self.ctl(*arguments).out)["value"],
                          "account")

    def test_bad_configuration(self):
        bad = BENCH.place.write("bad.conf", "mode = loud\ncolour = red\n")
        for arguments in (["status"], ["limits", "show", "a"],
                          ["genkey", "a.example"], ["explain"]):
            with self.subTest(arguments):
                ran = self.ctl("-c", bad, *arguments, status=2)
                self.assertIn(f"{bad}:1:", ran.err)
                self.assertIn(f"{bad}:2:", ran.err)

    def test_somebody_else_is_told_to_be_somebody(self):
        if os.geteuid() != 0 or not BENCH.postern.settings["user"]:
            self.skipTest("needs root and a daemon with a user of its own")
        for arguments in (["limits", "show", "a"], ["explain"],
                          ["genkey", "b.example"]):
            with self.subTest(arguments):
                ran = subprocess.run(
                    [program("posternctl"), "-c", BENCH.postern.file,
                     *arguments], stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                    env={**os.environ, **SANITIZERS}, user=5999, group=5999,
                    extra_groups=[], timeout=60)
                self.want(2, ran.returncode, f"exit status ({ran.stderr})")
                self.assertIn(b"root", ran.stderr)


class Limits(Ctl):
    def test_show(self):
        self.want_leaves(self.send(3))
        shown = self.json("limits", "show", self.login)
        self.want({"key": "account", "value": self.login},
                  {name: shown[name] for name in ("key", "value")}, "head")
        one, = [one for one in shown["limits"] if one["limit"] == "hourly"]
        self.want({"limit": "hourly", "count": "recipients", "used": 3,
                   "max": MAX, "configured_max": MAX, "override": None,
                   "per": 3600, "action": "tempfail", "mode": "enforce",
                   "holds": True, "fits": True, "room_in": 0}, one,
                  "hourly")
        self.want((self.login, OWN, None, None),
                  (shown["account"], shown["parent"], shown["plan"],
                   shown["blocked"]), "whose")
        self.want(["hourly", "held:local"],
                  [one["limit"] for one in shown["limits"]], "limits")
        text = self.ctl("limits", "show", self.login).out
        self.assertRegex(text, r"(?m)^hourly +3 +5 +recipients .* now$")

    def test_show_when_there_is_no_room(self):
        self.want_leaves(self.send(3))
        self.want_leaves(self.send(1))
        one = self.json("limits", "show", "--limit", "hourly",
                        self.login)["limits"][0]
        self.want((True, 0), (one["fits"], one["room_in"]), "room for one")
        self.want_leaves(self.send(1))
        one = self.json("limits", "show", "--limit", "hourly",
                        self.login)["limits"][0]
        self.want((False, MAX), (one["fits"], one["used"]), "fits, used")
        self.assertGreater(one["room_in"], 3000)
        self.assertLessEqual(one["room_in"], 3660)

    def test_show_in_any_spelling(self):
        self.want_leaves(self.send())
        for name in (self.login.upper(), self.login + "."):
            with self.subTest(name):
                self.want(1, self.used("hourly", name), "used")

    def test_show_nobody(self):
        self.want(0, self.used("hourly", "nobody@b.example"), "used")

    def test_show_other_keys(self):
        domain = f"{token()}.example"
        login = f"x@{domain}"
        self.want_leaves(self.send(login=login, address="198.51.100.77"))
        self.want_leaves(self.send(login=login,
                                   address="2001:db8:1:2:3::4"))
        for limit, used, arguments in (
                ("domain", 2, ("--key", "from_domain", domain.upper())),
                ("domain", 2, ("--limit", "domain", domain)),
                ("address", 1, ("--key", "client_ip", "198.51.100.77")),
                ("address", 1, ("--key", "client_ip", "2001:db8:1:2::")),
                ("address", 1, ("--limit", "address",
                                "2001:db8:1:2::/64"))):
            with self.subTest(arguments):
                self.want(used, self.used(limit, *arguments), "used")

    def test_show_without_a_limit_of_that_key(self):
        file = BENCH.place.write("empty.conf", "".join(
            line for line in open(BENCH.postern.file)
            if line.startswith(("user", "control", "listen"))))
        ran = self.ctl("-c", file, "limits", "show", "--key", "client_ip",
                       "192.0.2.1")
        self.assertIn("no limit", ran.out)

    def test_store_that_is_not_there_yet(self):
        path = BENCH.place.make("empty", mode=0o700,
                                uid=BENCH.postern.user.pw_uid,
                                gid=BENCH.postern.user.pw_gid)
        text = open(BENCH.postern.file).read()
        for place in (path, path + "/none"):
            file = BENCH.place.write("other.conf", text.replace(
                f'path = "{BENCH.postern.state}"', f'path = "{place}"'))
            with self.subTest(place):
                shown = self.json("-c", file, "limits", "show", self.login)
                self.want([0, 0], [one["used"] for one in shown["limits"]],
                          "used")
                self.ctl("-c", file, "limits", "reset", self.login, status=1)
        self.want([], os.listdir(path), "files made")

    def test_reset_gives_room_at_once(self):
        self.want_leaves(self.send(3))
        self.want_leaves(self.send(2))
        self.want_answer(self.send(), "reply", "450 4.7.1")
        self.until_remembered(self.send)
        ran = self.ctl("limits", "reset", self.login)
        self.assertIn("hourly", ran.out)
        self.want_leaves(self.send(3))
        self.want(3, self.used("hourly", self.login), "used")

    def test_reset_is_noticed_without_control_socket(self):
        """By the store's epoch, within about a second."""
        text = open(BENCH.postern.file).read()
        file = BENCH.place.write("mute.conf", re.sub(
            r"(?m)^control = .*$", 'control = ""', text))
        self.want_leaves(self.send(3))
        self.want_leaves(self.send(2))
        self.send()
        self.until_remembered(self.send)
        self.ctl("-c", file, "limits", "reset", self.login)
        wait_until(lambda: self.send().ok, "room after the reset", 15)

    def test_reset_one_limit(self):
        address = "198.51.100.99"
        self.want_leaves(self.send(address=address))
        ran = self.json("limits", "reset", "--limit", "address", address)
        self.want([{"limit": "address", "reset": True}], ran["limits"],
                  "reset")
        self.want(0, self.used("address", "--key", "client_ip", address),
                  "used under address")
        self.want(1, self.used("hourly", self.login), "used under hourly")

    def test_reset_of_nobody(self):
        ran = self.ctl("limits", "reset", "nobody@b.example", status=1)
        self.assertIn("Nothing", ran.out)
        ran = self.json("limits", "reset", "nobody@b.example", status=1)
        self.want({False}, {one["reset"] for one in ran["limits"]}, "reset")

    def test_what_a_terminal_would_obey_is_cleaned(self):
        ran = self.ctl("limits", "show", "a\x1b[2Jb")
        self.assertIn("a?[2jb", ran.out)

    def test_while_the_daemon_is_down(self):
        self.want_leaves(self.send(3))
        BENCH.postern.stop()
        try:
            self.want(3, self.used("hourly", self.login), "used")
            self.ctl("limits", "reset", self.login)
            self.want(0, self.used("hourly", self.login), "used")
            owners = {os.stat(name).st_uid for name
                      in glob.glob(BENCH.postern.state + "/*")}
            self.want({BENCH.postern.user.pw_uid}, owners, "owners of files")
        finally:
            BENCH.postern.start()
        self.want_leaves(self.send(3))
        self.want(3, self.used("hourly", self.login), "used")


class Status(Ctl):
    def test_counts(self):
        before = self.json("status")
        self.want_leaves(self.send())
        self.want_answer(BENCH.send("x@b.example",
                                    message.compose("x@b.example"),
                                    self.login,
                                    connection={"address": self.address}),
                         "reply", "550 5.7.1", "may not")
        after = self.json("status")
        self.want(BENCH.postern.process.pid, after["pid"], "pid")
        self.want(("up", "enforce"), (after["store"], after["mode"]),
                  "store and mode")
        for action in ("accept", "reject"):
            self.want(before["messages"]["submission"][action] + 1,
                      after["messages"]["submission"][action], action)
        self.want(before["signatures"] + 2, after["signatures"], "signatures")

    def test_text(self):
        ran = self.ctl("status")
        self.assertRegex(ran.out, r"(?m)^pid +\d+$")
        self.assertRegex(ran.out, r"(?m)^max busy +\d+$")
        self.assertRegex(ran.out, r"(?m)^uptime +\d+ \w+$")
        self.assertRegex(ran.out, r"(?m)^CLASS +accept +hold +tempfail")
        self.assertRegex(ran.out, r"(?m)^submission( +\d+){4}$")
        self.assertNotIn("_", ran.out.replace(BENCH.place.path, ""))


class NoDaemon(Ctl):
    """The configuration of a daemon that isn't there."""

    def setUp(self):
        super().setUp()
        self.path = BENCH.place.at("run", token())
        text = open(BENCH.postern.file).read()
        self.file = BENCH.place.write("away.conf", text.replace(
            BENCH.postern.control, self.path))

    def answer(self, line: bytes) -> None:
        """Something else listens there: it says line, and hangs up."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        os.chmod(self.path, 0o777)
        listener.listen(1)
        self.addCleanup(listener.close)

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                try:
                    connection.sendall(line)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 30)

    def test_is_said(self):
        for command in ("status", "reload"):
            with self.subTest(command):
                ran = self.ctl("-c", self.file, command, status=75)
                self.assertIn(self.path, ran.err)

    def test_socket_that_nobody_listens_on(self):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(self.path)
        stale.close()
        os.chmod(self.path, 0o777)
        self.ctl("-c", self.file, "status", status=75)

    def test_hangs_up_without_an_answer(self):
        self.answer(b"")
        self.ctl("-c", self.file, "status", status=75)

    def test_half_an_answer(self):
        self.answer(b'{"ok":')
        self.ctl("-c", self.file, "status", status=75)

    def test_nonsense(self):
        for line in (b"hello\n", b"[1]\n", b"\0\n", b"\n"):
            with self.subTest(line):
                self.path += "x"
                text = open(BENCH.postern.file).read()
                self.file = BENCH.place.write("away.conf", text.replace(
                    BENCH.postern.control, self.path))
                self.answer(line)
                self.ctl("-c", self.file, "status", status=2)

    def test_answer_without_end(self):
        self.answer(b"x" * (8 << 20))
        self.ctl("-c", self.file, "status", status=75)

    def test_strange_values(self):
        self.answer(json.dumps({
            "ok": True, "uptime": "x\x1b[2J", "loaded": -1, "a": None,
            "messages": {"local": 3, "x": {str(n): n for n in range(20)}},
        }).encode() + b"\n")
        ran = self.ctl("-c", self.file, "status")
        self.assertNotIn("\x1b", ran.out)

    def test_control_is_off(self):
        text = open(BENCH.postern.file).read()
        file = BENCH.place.write("mute.conf", re.sub(
            r"(?m)^control = .*$", 'control = ""', text))
        self.assertIn("control", self.ctl("-c", file, "status",
                                          status=2).err)

    def test_limits_are_reset_all_the_same(self):
        self.want_leaves(self.send())
        self.ctl("-c", self.file, "limits", "reset", self.login)
        self.want(0, self.used("hourly", self.login), "used")


class Reload(Ctl):
    def tearDown(self):
        BENCH.postern.configure(SETTINGS)
        BENCH.postern.ctl("reload")

    def test_takes_effect(self):
        BENCH.postern.configure({**SETTINGS, ("limit", "hourly"): {
            "key": "account", "count": "recipients", "max": 1, "per": "1h",
            "action": "reject"}})
        self.assertIn("in force", self.ctl("reload").out)
        self.want_leaves(self.send())
        self.want_answer(self.send(), "reply", "550 5.7.1", "hourly")

    def test_bad_one_changes_nothing(self):
        BENCH.postern.write("colour = red\nmode = loud\n")
        ran = self.ctl("reload", status=1)
        for number in (1, 2):
            self.assertIn(f"{BENCH.postern.file}:{number}:", ran.err)
        self.want("", ran.out, "standard output")
        answer = self.json("reload", status=1)
        self.want((False, 2), (answer["ok"], len(answer["errors"])),
                  "answer")
        self.want_leaves(self.send())

    def test_bad_for_the_daemon_alone(self):
        """What root can read, but the daemon's user can't."""
        if os.geteuid() != 0 or not BENCH.postern.settings["user"]:
            self.skipTest("needs root and a daemon with a user of its own")
        path = BENCH.place.write("map", "a@a.example alice\n", 0o600)
        BENCH.postern.configure({**SETTINGS, "senders": {
            "owners": "map", "map": f"texthash:{path}"}})
        ran = self.ctl("reload", status=1)
        self.assertIn(path, ran.err)
        self.assertIn("stays", ran.err)


def records(printed: str) -> dict:
    """{"s._domainkey.a.example": value} of zone file lines."""
    found = {}
    for line in printed.splitlines():
        name, text = re.fullmatch(r"(\S+)\. IN TXT (.*)", line).groups()
        strings = re.findall(r'"([^"]*)"', text)
        # Of several strings that they are one record, of one nothing.
        plain = " ".join(f'"{one}"' for one in strings)
        if text != (f"( {plain} )" if len(strings) > 1 else plain):
            raise AssertionError(f"no TXT record: {line}")
        if any(len(one) > 255 for one in strings):
            raise AssertionError(f"a string of over 255 octets: {line}")
        found[name] = "".join(strings)
    return found


class Genkey(Ctl):
    def setUp(self):
        super().setUp()
        self.domain = f"{token()}.example"

    def genkey(self, *arguments, **how):
        return self.ctl("genkey", *arguments, self.domain, **how)

    def files(self) -> list:
        return sorted(os.listdir(os.path.join(BENCH.postern.keys_path,
                                              self.domain)))

    def test_signs_and_verifies(self):
        """Both at once; the record that is printed is the right one."""
        found = records(self.genkey("--algorithm", "both").out)
        self.want(2, len(found), "records")
        sent = message.compose(f"x@{self.domain}")
        answer = BENCH.send(f"x@{self.domain}", sent, f"x@{self.domain}",
                            connection={"address": self.address})
        self.want_leaves(answer)
        got = applied(sent, answer)
        names = sorted(f"{self.domain}/{name.partition('.')[0]} pass"
                       for name in found)
        self.want(names, dkimcheck.by_python(got, found), "python3-dkim")
        self.want(names, dkimcheck.by_perl(got, found), "Mail::DKIM")

    def test_default_is_rsa_with_a_dated_selector(self):
        ran = self.genkey()
        name, = records(ran.out)
        self.assertRegex(name, rf"^p20\d{{4}}r\._domainkey\.{self.domain}$")
        self.assertIn("k=rsa", ran.out)
        self.assertIn(".private", ran.err)
        self.assertIn("publish", ran.err)

    def test_only_the_daemon_may_read_it(self):
        self.genkey()
        path = os.path.join(BENCH.postern.keys_path, self.domain)
        for name, mode in ((path, 0o700),
                           (os.path.join(path, self.files()[0]), 0o600)):
            status = os.stat(name)
            self.want((oct(mode), BENCH.postern.user.pw_uid),
                      (oct(stat.S_IMODE(status.st_mode)), status.st_uid),
                      f"mode and owner of {name}")

    def test_never_overwrites(self):
        self.genkey("--selector", "s1")
        path = os.path.join(BENCH.postern.keys_path, self.domain,
                            "s1.private")
        before = open(path).read()
        for arguments in (["--selector", "s1"],
                          ["--selector", "s1", "--algorithm", "ed25519"]):
            with self.subTest(arguments):
                ran = self.genkey(*arguments, status=1)
                self.assertIn("s1.private", ran.err)
                self.want("", ran.out, "standard output")
        self.want(before, open(path).read(), "key")

    def test_both_or_none(self):
        self.genkey("--selector", "s1e", "--algorithm", "ed25519")
        self.genkey("--selector", "s1", "--algorithm", "both", status=1)
        self.want(["s1e.private"], self.files(), "files")
        self.genkey("--selector", "s2", "--algorithm", "both")
        self.want(["s1e.private", "s2e.private", "s2r.private"],
                  self.files(), "files")

    def test_json_and_bits(self):
        one, = self.json("genkey", "--bits", "1024", "--selector", "s1",
                         self.domain)["keys"]
        self.want((self.domain, "s1", "rsa"),
                  (one["domain"], one["selector"], one["algorithm"]), "key")
        self.assertTrue(os.path.exists(one["file"]))
        value, = records(one["record"]).values()
        self.want(216, len(value.partition("p=")[2]), "octets of p=")

    def test_another_directory(self):
        path = BENCH.place.make("elsewhere", mode=0o755,
                                uid=BENCH.postern.user.pw_uid)
        ran = self.genkey("--directory", os.path.join(path, "keys"))
        self.assertNotIn("publish", ran.err)
        self.want([self.domain], os.listdir(os.path.join(path, "keys")),
                  "domains")
        self.genkey("--directory", os.path.join(path, "no", "such"),
                    status=1)

    def test_domain_in_any_spelling(self):
        self.domain = f"{token()}.M\u00dcnchen.example."
        name, = records(self.genkey().out)
        self.assertTrue(name.endswith(".xn--mnchen-3ya.example"), name)
