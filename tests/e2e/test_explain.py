"""posternctl explain: what it says is what the daemon does."""

import json
import os
import re

from harness import message
from harness.bench import Bench
from harness.ctlcase import CtlCase
from harness.place import token

BENCH = None
OWN = "a.example"
HOST = "host.postern.example"
MAX, MAX_RECIPIENTS = 5, 3
ADDRESSES = (f"198.18.{one}.{other}" for one in range(256)
             for other in range(256))
SETTINGS = {
    "senders": {"on_mismatch": "reject"},
    ("class", "submission"): {"max_recipients": MAX_RECIPIENTS},
    ("class", "local"): {"mode": "enforce"},
    ("limit", "hourly"): {"key": "account", "count": "recipients",
                          "max": MAX, "per": "1h", "action": "tempfail"},
    ("limit", "address"): {"key": "client_ip", "count": "messages",
                           "max": 20, "per": "1d", "action": "reject"},
    ("limit", "domain"): {"key": "from_domain", "count": "messages",
                          "max": 100000, "per": "1d", "action": "reject",
                          "mode": "observe"},
}


def setUpModule():
    global BENCH
    BENCH = Bench("explain", SETTINGS, keys=(OWN, HOST))


def tearDownModule():
    BENCH.stop()


class Base(CtlCase):
    addresses = ADDRESSES
    domain = OWN

    @classmethod
    def bench(cls):
        return BENCH

    def explain(self, sent: bytes, *arguments, status: int = 0, **how):
        return self.json("explain", *arguments, status=status,
                         stdin=sent, **how)

    def compare(self, sent: bytes, login: str = "", sender: str = "",
                rcpts=("r@out.example",), tls: str = "",
                **connection) -> dict:
        """What explain says must be what the daemon then does."""
        connection.setdefault("address", self.address)
        queue_id = token()
        arguments = ["--mail-from", sender]
        arguments += ["--login", login] if login else []
        for rcpt in rcpts:
            arguments += ["--rcpt", rcpt]
        for name, option in (("address", "--client"), ("port", "--port"),
                             ("daemon_port", "--listener")):
            if name in connection:
                arguments += [option, str(connection[name])]
        arguments += ["--host", HOST] + (["--tls"] if tls else [])
        ran = BENCH.postern.ctl("explain", "--json", *arguments, stdin=sent)
        told = json.loads(ran.out)
        with BENCH.begun(**connection) as milter:
            answer = milter.message(sender, list(rcpts), sent, login,
                                    tls=tls, queue_id=queue_id)
            milter.quit()
        self.want(0 if answer.ok else 1, ran.returncode, "exit status")
        self.want("mail" if answer.stage == "mail" else "end",
                  told["stage"], "stage")
        line = BENCH.postern.line(event="message", **(
            {"account": told["account"]} if answer.stage == "mail"
            else {"queue_id": queue_id}))
        for name in ("class", "account", "source", "client", "action"):
            self.want(line[name], told[name], name)
        self.want(line.get("would", line["action"]), told["would"], "would")
        self.want(line.get("reason", "none"), told["reason"], "reason")
        for name in ("subject", "detail", "limit", "unsigned"):
            if told["action"] in ("accept", "hold") or name != "unsigned":
                self.want(line.get(name), told[name], name)
        if told["stage"] == "end":
            self.want(line["size"], str(told["size"]), "size")
            self.want(line["rcpts"], str(told["recipients"]), "rcpts")
            if line["class"] != "inbound":
                self.want(line.get("author", ""),
                          ",".join(told["authors"]), "authors")
        names = ",".join(f"{one['domain']}/{one['selector']}"
                         for one in told["dkim"])
        self.want(line.get("dkim", "none"), names or "none", "dkim")
        self.want(answer.quarantine is not None, told["action"] == "hold",
                  "held")
        if told["reply"] is not None:
            reply = "{code} {status} ".format(**told["reply"])
            self.assertTrue(answer.reply.startswith(reply), answer)
        return told


class Explain(Base):
    def test_is_what_the_daemon_does(self):
        for name in self.cases(self.login):
            with self.subTest(name):
                self.setUp()
                self.compare(**self.cases(self.login)[name])

    def cases(self, me: str) -> dict:
        other = "bob@b.example"
        plain = message.compose(me)
        return {
            "own": dict(sent=plain, login=me, sender=me),
            "own in capitals": dict(sent=plain, login=me.upper(), sender=me),
            "subdomain": dict(sent=message.compose(f"x@mail.{OWN}"),
                              login=me, sender=me),
            "no key": dict(sent=message.compose("x@c.example"),
                           login="x@c.example", sender="x@c.example"),
            "foreign From": dict(sent=message.compose(other), login=me,
                                 sender=me),
            "foreign sender": dict(sent=plain, login=me, sender=other),
            "two From": dict(sent=message.compose([me, me]), login=me,
                             sender=me),
            "no From": dict(sent=message.compose(None), login=me, sender=me),
            "broken name": dict(sent=message.compose(f'"x <{me}>'), login=me,
                                sender=me),
            "several authors": dict(sent=message.compose(f"{me}, {other}"),
                                    login=me, sender=me),
            "null sender": dict(sent=plain, login=me, sender=""),
            "sender that is none": dict(sent=plain, login=me, sender="x y"),
            "login without domain": dict(sent=plain, login="alice",
                                         sender=me),
            "login too long": dict(sent=plain, login=me * 50, sender=me),
            "relay": dict(sent=plain, sender=me, address="127.0.0.9"),
            "inbound": dict(sent=plain, sender=me, address="198.51.100.1"),
            "local": dict(sent=message.compose(f"web@{HOST}"),
                          sender=f"web@{HOST}", address="127.0.0.1", port=0),
            "local, another's": dict(sent=plain, sender=me,
                                     address="127.0.0.1", port=0),
            "too many recipients at once": dict(
                sent=plain, sender=me, address="127.0.0.8",
                rcpts=["r@out.example"] * (MAX + 1)),
            "bounce": dict(sent=message.compose(f"x@{HOST}"), sender="",
                           address="127.0.0.1", port=0),
            "IPv6": dict(sent=plain, login=me, sender=me,
                         address="2001:db8::5"),
            "folded": dict(sent=message.compose(me, headers=[
                ("X-Long", "a\r\n b\r\n\tc")]), login=me, sender=me),
            "empty body": dict(sent=message.compose(me, b""), login=me,
                               sender=me),
        }

    def test_local_line_ends(self):
        """A file of this system, as sendmail(1) would take it."""
        for name in ("crlf", "lf", "mixed", "mailbox"):
            with self.subTest(name):
                sent = message.compose(self.login, b"x\r\n.\r\ny\r\n")
                text = {"crlf": sent, "lf": sent.replace(b"\r\n", b"\n"),
                        "mixed": sent.replace(b"\r\n\r\n", b"\n\n"),
                        "mailbox": b"From x Mon Jan  1 10:00:00 2026\n"
                                   + sent.replace(b"\r\n", b"\n"),
                        }[name]
                told = self.explain(text, "--login", self.login)
                self.want(len(sent) - 2, told["size"], "size")
                self.want(2, len(told["dkim"]), "signatures")

    def test_is_over_a_limit(self):
        self.want_leaves(self.send(3))
        sent = message.compose(self.login)
        told = self.explain(sent, "--login", self.login,
                            *["--rcpt", "x"] * 3, status=1)
        self.want("tempfail", told["action"], "action")
        self.want(("450", "4.7.1"), (told["reply"]["code"],
                                     told["reply"]["status"]), "reply")
        one, = [one for one in told["limits"] if one["limit"] == "hourly"]
        self.want((self.login, 3, 3, MAX, False),
                  tuple(one[name] for name in ("key", "used", "cost", "max",
                                               "fits")), "limit")
        self.assertGreater(one["room_in"], 3000)
        others = [one["fits"] for one in told["limits"]
                  if one["limit"] != "hourly"]
        self.want([True, True], others, "other limits fit")

    def test_too_many_recipients(self):
        told = self.explain(message.compose(self.login), "--login",
                            self.login, *["--rcpt", "x"] * 5)
        self.want((MAX_RECIPIENTS, 2),
                  (told["recipients"], told["recipients_refused"]),
                  "recipients")
        self.want("452", told["recipient_reply"]["code"], "reply")

    def test_local_over_its_limit_is_held(self):
        sent = message.compose(f"web@{HOST}")
        told = self.explain(sent, "--host", HOST, *["--rcpt", "x"] * 6)
        self.want(("local", f"local:{HOST}", "hold", "cost"),
                  tuple(told[name] for name in ("class", "account", "action",
                                                "reason")), "verdict")
        self.want(["hourly", "address", "domain", "held:local"],
                  [one["limit"] for one in told["limits"]], "limits")
        self.want(2, len(told["dkim"]), "signatures")

    def test_of_a_uid(self):
        told = self.explain(message.compose(self.login), "--client",
                            "127.0.0.1", "--uid", "5001")
        self.want(("relay", "uid:5001", "uid"),
                  (told["class"], told["account"], told["source"]),
                  "account")

    def test_changes_nothing(self):
        self.want_leaves(self.send(2))
        names = sorted(os.listdir(BENCH.postern.state))
        log = BENCH.postern.text()
        status = self.json("status")
        for arguments in (["--login", self.login],
                          ["--login", self.login, "--mail-from", "x@c.test"],
                          ["--login", self.login] + ["--rcpt", "x"] * 9,
                          []):
            BENCH.postern.ctl("explain", *arguments,
                              stdin=message.compose(self.login))
        self.want(2, self.used("hourly", self.login), "used")
        self.want(0, self.used("hourly", f"local:{HOST}"), "used by local")
        self.want(names, sorted(os.listdir(BENCH.postern.state)), "files")
        self.want(log, BENCH.postern.text(), "log")
        after = self.json("status")
        for name in ("messages", "signatures", "remembered_refusals"):
            self.want(status[name], after[name], name)

    def test_envelope_sender_is_the_author_unless_said(self):
        told = self.explain(message.compose(f"X <{self.login}>"), "--login",
                            self.login)
        self.want(self.login, told["envelope_sender"], "envelope sender")
        for sent in (message.compose(None), message.compose("nobody"), b""):
            ran = self.ctl("explain", status=2, stdin=sent)
            self.assertIn("--mail-from", ran.err)

    def test_hostile_message(self):
        for name, sent in (
                ("controls", message.compose(self.login, headers=[
                    ("X", "\x1b[2J\x07")])),
                ("author", message.compose(
                    b'"\x1b[2J\xff" <a\xff@b.example>')),
                ("no header", b"hello\n"),
                ("NUL", b"From: a\0b\n\n\0\0\n"),
                ("many fields", b"From: %s\n" % self.login.encode() * 2000),
                ("lone CR", message.compose(self.login, b"a\rb\r\n"))):
            with self.subTest(name):
                for form in ([], ["--json"]):
                    ran = BENCH.postern.ctl(
                        "explain", *form, "--login", self.login,
                        "--mail-from", "\x1b]0;x\x07@\x9b", stdin=sent)
                    self.assertIn(ran.returncode, (0, 1), ran.err)
                    self.assertNotRegex(ran.out, "[\x00-\x09\x0b-\x1f\x7f]")
                    if form:
                        json.loads(ran.out)

    def test_large_message(self):
        sent = message.compose(self.login, b"0123456789abcde\n" * (1 << 20))
        told = self.explain(sent, "--login", self.login)
        self.want(2, len(told["dkim"]), "signatures")
        self.assertGreater(told["size"], 17 << 20)

    def test_header_that_is_too_large(self):
        sent = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 60000)
                        for number in range(80))
        told = self.explain(sent + message.compose(self.login), "--login",
                            self.login, "--mail-from", self.login)
        self.want(("accept", "reject", "headers_too_large"),
                  (told["action"], told["would"], told["reason"]), "verdict")
        self.want([], told["dkim"], "signatures")
        self.ctl("explain", "--login", self.login, "--mail-from", "x@y.test",
                 status=2, stdin=b"X: " + b"x" * (2 << 20))

    def test_text(self):
        sent = message.compose(self.login)
        ran = self.ctl("explain", "--login", self.login, stdin=sent)
        for words in (r"^class +submission", rf"^account +{self.login}",
                      r"^ +hourly +", rf"^DKIM +signed by {OWN}, .*rsa",
                      r"^verdict +accepted"):
            self.assertRegex(ran.out, re.compile(words, re.MULTILINE))
        ran = self.ctl("explain", "--login", self.login, "--mail-from",
                       "bob@b.example", stdin=sent, status=1)
        for words in (r"^sender +bob@b.example: not the account's",
                      r"^DKIM +not signed", r"^verdict +refused",
                      r"^reason +envelope_mismatch, bob@b.example",
                      r"^reply +550 5\.7\.1 .*bob@b.example"):
            self.assertRegex(ran.out, re.compile(words, re.MULTILINE))


class Listener(Base):
    @classmethod
    def setUpClass(cls):
        BENCH.postern.restart({**SETTINGS, ("listener", "587"): {
            "class": "submission", "require_auth": True,
            "require_tls": True}})

    @classmethod
    def tearDownClass(cls):
        BENCH.postern.restart(SETTINGS)

    def test_requires(self):
        sent = message.compose(self.login)
        for login, tls, reason in (("", "", "tls_required"),
                                   ("", "TLSv1.3", "auth_required"),
                                   (self.login, "TLSv1.3", "none")):
            with self.subTest(reason):
                told = self.compare(sent, login, self.login, tls=tls,
                                    daemon_port=587)
                self.want(reason, told["reason"], "reason")

    def test_text(self):
        sent = message.compose(self.login)
        ran = self.ctl("explain", "--listener", "587", "--tls", stdin=sent,
                       status=1)
        for words in (r"^listener +587, requires a login, requires TLS",
                      r"^verdict +refused \(reject\), at MAIL",
                      r"^reply +530 5\.7\.0"):
            self.assertRegex(ran.out, re.compile(words, re.MULTILINE))


class Map(Base):
    @classmethod
    def setUpClass(cls):
        path = BENCH.place.write(
            "logins", f"shop@{OWN} alice, uid:5001\n@b.example bob\n")
        BENCH.postern.restart({**SETTINGS, "senders": {
            "owners": "map", "map": f"texthash:{path}",
            "on_mismatch": "observe"}})

    @classmethod
    def tearDownClass(cls):
        BENCH.postern.restart(SETTINGS)

    def test_owners(self):
        told = self.json("explain", "--login", "alice",
                         stdin=message.compose(f"shop@{OWN}, x@b.example"))
        owners = [(one["address"], one["role"], one["owned"], one["logins"])
                  for one in told["owners"]]
        self.want([(f"shop@{OWN}", "envelope", True, "alice, uid:5001"),
                   (f"shop@{OWN}", "from", True, "alice, uid:5001"),
                   ("x@b.example", "from", False, "bob")], owners, "owners")
        self.want(("accept", "reject", "from_mismatch", "x@b.example"),
                  tuple(told[name] for name in ("action", "would", "reason",
                                                "subject")), "verdict")
        ran = self.ctl("explain", "--login", "alice",
                       stdin=message.compose("x@b.example"))
        self.assertRegex(ran.out, r"(?m)^From +x@b.example: not the "
                                  "account's; the map says bob")
        self.assertRegex(ran.out, r"(?m)^observed +\w+_mismatch, "
                                  r"x@b.example$")
