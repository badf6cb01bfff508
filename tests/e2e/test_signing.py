"""Signatures after Postfix has relayed the message: both verifiers must find
them good, whatever the message is like."""

import os
import random

from harness import dkimcheck, message
from harness.case import Case
from harness.place import token, wait_until
from harness.postfix import DOMAIN_KEPT, DOMAIN_LONG
from harness.world import RELAYER, World

WORLD = None
OWN = "a.example"
LOGIN = f"alice@{OWN}"
BOTH = (f"{OWN}/ed", f"{OWN}/rsa")
SETTINGS = {
    ("limit", "plenty"): {"key": "account", "count": "messages",
                          "max": 100000, "per": "1d"},
}


def setUpModule():
    global WORLD
    WORLD = World("signing", SETTINGS, keys=(OWN,))


def tearDownModule():
    WORLD.stop()


class Signing(Case):
    def story(self):
        return WORLD.story()

    def relayed(self, sent: bytes, **how) -> bytes:
        """Send it, see that nothing but trace and signatures was added, and
        that the signatures are good."""
        got = WORLD.deliver(LOGIN, sent, LOGIN, **how)
        self.assertTrue(got.endswith(sent), "changed on its way:\n"
                        f"{got[-2000:]!r}")
        self.want_signed(got, WORLD.keys, *BOTH)
        return got

    def test_plain(self):
        self.relayed(message.compose(LOGIN))

    def test_signatures_stand_above_received(self):
        got = self.relayed(message.compose(LOGIN))
        names = [name.lower() for name, _ in message.split(got)[0]][:3]
        self.want([b"dkim-signature", b"dkim-signature", b"received"], names,
                  "first fields")

    def test_eight_bit(self):
        text = "Zo\u00eb sagt: caf\u00e9 \u20ac \u4f60\u597d\r\n".encode()
        self.relayed(message.compose(
            LOGIN, text + bytes(range(128, 256)) + b"\r\n",
            [("MIME-Version", "1.0"),
             ("Content-Type", "text/plain; charset=utf-8"),
             ("Content-Transfer-Encoding", "8bit")]))

    def test_eight_bit_header(self):
        self.relayed(message.compose(f"\"Zo\u00eb\" <{LOGIN}>",
                                     subject="caf\u00e9"))

    def test_eight_bit_to_a_next_hop_without_it(self):
        """With disable_mime_output_conversion, as the manual advises."""
        self.relayed(message.compose(LOGIN, "caf\u00e9\r\n", [
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit")]), domain=DOMAIN_KEPT)

    def test_long_lines(self):
        self.relayed(message.compose(LOGIN, b"x" * 990 + b"\r\n",
                                     subject="y" * 900))

    def test_lines_longer_than_smtp_allows(self):
        """Where Postfix doesn't break them (smtp_line_length_limit = 0).
        It cuts a line of the header after 60,000 octets all the same."""
        self.relayed(message.compose(LOGIN, b"x" * 70_000 + b"\r\n",
                                     subject="y " * 29_000),
                     domain=DOMAIN_LONG)

    def test_folded(self):
        fold = "one\r\n two \r\n\tthree\t \r\n   four  five"
        self.relayed(message.compose(
            f"Alice\r\n <{LOGIN}>\r\n (who else)", b"a\r\n", [
                ("References", "\r\n ".join(f"<{number}@x.example>"
                                            for number in range(500))),
                ("Cc", ",\r\n\t".join(f"{number}@x.example"
                                      for number in range(200)))],
            subject=fold))

    def test_bodies(self):
        for name, body in (
                ("empty", b""), ("one line end", b"\r\n"),
                ("line ends", b"\r\n" * 50),
                ("trailing line ends", b"x\r\n\r\n\r\n"),
                ("blanks", b"  x \t y \t\r\n \t\r\n \r\n"),
                ("dots", b".\r\n..\r\n...x\r\n. \r\n"),
                ("leading line ends", b"\r\n\r\nx\r\n"),
                ("like a header", b"From: x@b.example\r\n\r\nx\r\n")):
            with self.subTest(name):
                self.relayed(message.compose(LOGIN, body))

    def test_bare_line_feeds(self):
        """Postfix makes line ends of them before anybody sees them."""
        sent = message.compose(LOGIN, b"a\nb\n\nc\r\n")
        got = WORLD.deliver(LOGIN, sent, LOGIN)
        self.want_signed(got, WORLD.keys, *BOTH)

    def test_no_last_newline(self):
        """DATA can't say it, BDAT can."""
        rcpt = token() + "@out.example"
        with WORLD.client(LOGIN) as client:
            client.mail(LOGIN, "BODY=8BITMIME")
            client.rcpt(rcpt)
            reply = client.bdat(message.compose(LOGIN, b"no end"))
            self.want_reply(reply, 250)
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys, *BOTH)

    def test_header_alone(self):
        sent = message.compose(LOGIN).partition(b"\r\n\r\n")[0] + b"\r\n"
        got = WORLD.deliver(LOGIN, sent, LOGIN)
        self.want_signed(got, WORLD.keys, *BOTH)

    def test_field_names_in_any_case(self):
        sent = message.compose(None, headers=[
            ("FROM", LOGIN), ("to", "x@x.example"), ("cC", "y@y.example")],
            to=None)
        self.relayed(sent)

    def test_repeated_fields(self):
        """Signed from the bottom (RFC 6376 section 5.4.2)."""
        self.relayed(message.compose(LOGIN, headers=[
            ("Subject", "second"), ("Cc", "x@x.example"),
            ("Cc", "y@y.example"), ("Subject", "third")]))

    def test_through_the_chroot(self):
        got = WORLD.deliver(LOGIN, message.compose(LOGIN), LOGIN,
                            address=RELAYER, port=WORLD.postfix.chrooted)
        self.want_signed(got, WORLD.keys, *BOTH)

    def test_every_message_of_a_session(self):
        rcpts = [token() + "@out.example" for _ in range(4)]
        with WORLD.client(LOGIN) as client:
            for rcpt in rcpts:
                reply = client.send(LOGIN, rcpt, message.compose(LOGIN))
                self.want_reply(reply, 250)
                client.mail("x@x.example")
                client.cmd("RSET")
        for rcpt in rcpts:
            self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                             *BOTH)

    def test_random_messages(self):
        chance = random.Random(6376)
        pieces = [b" ", b"\t", b"\r\n", b"x", b"\xe4", b"=", b".", b"a" * 70,
                  b"\r\n\r\n", b" \r\n"]
        for number in range(15):
            with self.subTest(number=number):
                body = b"".join(chance.choices(pieces, k=200)) + b"\r\n"
                fold = "".join(chance.choices(
                    ["x", " ", "\t", "\r\n ", "\r\n\t", ":", ";"], k=60))
                self.relayed(message.compose(LOGIN, body,
                                             subject="s" + fold + "e"))


class Covered(Case):
    """What a signature says."""

    def story(self):
        return WORLD.story()

    def test_what_is_signed(self):
        sent = message.compose(LOGIN, headers=[
            ("List-Unsubscribe", "<https://x.example/u>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("X-Mailer", "x"), ("Return-Path", "<x@x.example>")])
        got = WORLD.deliver(LOGIN, sent, LOGIN)
        self.want_signed(got, WORLD.keys, *BOTH)
        for tags in dkimcheck.signatures(got):
            names = tags["h"].lower().split(":")
            for name in ("to", "subject", "date", "list-unsubscribe",
                         "list-unsubscribe-post"):
                self.assertIn(name, names)
            self.want(2, names.count("from"), "From fields covered")
            for name in ("x-mailer", "return-path", "received",
                         "dkim-signature"):
                self.assertNotIn(name, names)
            self.assertNotIn("l", tags)
            self.want("relaxed/simple", tags["c"], "canonicalization")
            self.assertRegex(tags["t"], r"^\d+$")
            self.assertIn(tags["a"], ("rsa-sha256", "ed25519-sha256"))

    def test_another_from_breaks_it(self):
        got = WORLD.deliver(LOGIN, message.compose(LOGIN), LOGIN)
        for check in (dkimcheck.by_python, dkimcheck.by_perl):
            for forged in (b"From: x@b.example\r\n" + got,
                           got.replace(b"\r\n\r\n",
                                       b"\r\nFrom: x@b.example\r\n\r\n", 1)):
                said = check(forged, WORLD.keys.records)
                self.assertFalse([one for one in said if "pass" in one],
                                 said)


class KeysComeAndGo(Case):
    def story(self):
        return WORLD.story()

    def test_new_key_is_seen_without_restart(self):
        domain = f"{token()}.example"
        login = f"x@{domain}"
        sent = message.compose(login)
        self.want([], dkimcheck.names(WORLD.deliver(login, sent, login)),
                  "signatures before there is a key")
        WORLD.keys.add(domain, "new")
        got = wait_until(lambda: self._signed(login), "a signature", 20)
        self.want_signed(got, WORLD.keys, f"{domain}/new")

    def test_replaced_and_removed_keys(self):
        domain = f"{token()}.example"
        login = f"x@{domain}"
        path = WORLD.keys.add(domain, "s")
        self.assertIsNotNone(self._signed(login))
        WORLD.keys.add(domain, "s")
        record = {name: text for name, text in WORLD.keys.records.items()
                  if domain in name}
        wait_until(lambda: dkimcheck.by_python(
            self._signed(login) or b"", record) == [f"{domain}/s pass"],
            "a signature with the new key", 20)
        os.unlink(path)
        wait_until(lambda: self._signed(login) is None,
                   "mail without a signature", 20)

    def _signed(self, login: str):
        got = WORLD.deliver(login, message.compose(login), login)
        return got if dkimcheck.names(got) else None

    def test_key_that_others_can_read(self):
        domain = f"{token()}.example"
        login = f"x@{domain}"
        path = WORLD.keys.add(domain, "open")
        os.chmod(path, 0o644)
        reply = WORLD.send(login, "r@out.example", message.compose(login),
                           login)
        self.want_reply(reply, 451, "4.7.1")
        line = WORLD.message_line(account=login)
        self.want_fields(line, reason="key_error", action="tempfail")
        self.assertIn("chmod 600", WORLD.postern.text())
        self.assertIn("open.private", WORLD.postern.text())
        os.chmod(path, 0o600)
        wait_until(lambda: WORLD.send(
            login, "r@out.example", message.compose(login), login).ok,
            "mail to be taken again", 20)


class Canonicalization(Case):
    """Settings other than the default."""

    SIGN = {"headers": ["From", "Subject", "X-Own"], "expire": "14d",
            "oversign": ["From", "Subject", "X-None"]}

    def story(self):
        return WORLD.story()

    @classmethod
    def tearDownClass(cls):
        WORLD.postern.restart(SETTINGS)

    def test_all_four(self):
        for canon in ("simple/simple", "simple/relaxed", "relaxed/relaxed",
                      "relaxed/simple"):
            with self.subTest(canon):
                sign = {"canonicalization": canon, **self.SIGN}
                WORLD.postern.restart({**SETTINGS, "sign": sign})
                sent = message.compose(
                    LOGIN, b" a  b \t\r\n\r\n \r\n\r\n", [
                        ("X-Own", " two  \r\n\tlines "), ("X-Other", "x")],
                    subject="  a\r\n   b\t c ")
                got = WORLD.deliver(LOGIN, sent, LOGIN)
                self.assertTrue(got.endswith(sent))
                self.want_signed(got, WORLD.keys, *BOTH)
                for tags in dkimcheck.signatures(got):
                    self.want(canon, tags["c"], "c=")
                    self.want(14 * 86400, int(tags["x"]) - int(tags["t"]),
                              "x= after t=")
                    names = tags["h"].lower().split(":")
                    self.want(["from", "from", "subject", "subject",
                               "x-none", "x-own"], sorted(names), "h=")
