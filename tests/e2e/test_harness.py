"""The harness itself, against a real Postfix and no daemon: what the other
tests rest on must stand by itself."""

import base64
import os
import subprocess

import dkim

from harness import dkimcheck, message, postfix
from harness.case import Case
from harness.keys import Keys, openssl
from harness.place import token, wait_until
from harness.postern import logfmt, render
from harness.world import RELAYER, World

WORLD = None


def setUpModule():
    global WORLD
    WORLD = World("harness", has_postern=False)


def tearDownModule():
    WORLD.stop()


class Harness(Case):
    def story(self):
        return WORLD.story()

    def test_relays_octet_for_octet(self):
        rcpt = token() + "@out.example"
        body = b".dot\r\n..two\r\n\r\n  blanks \t\r\ncaf\xc3\xa9\r\n"
        sent = message.compose("a@a.example", body)
        reply = WORLD.send("a@a.example", rcpt, sent, "alice@a.example",
                           params="BODY=8BITMIME")
        self.want_reply(reply, 250, "2.0.0")
        got = WORLD.sink.take(rcpt)
        self.want("a@a.example", got.mail_from, "envelope sender")
        self.want([rcpt], got.rcpts, "recipients")
        self.want(sent, got.message[-len(sent):], "message")

    def test_login_of_xclient_may_relay(self):
        for login, address, code in (("alice", "203.0.113.9", 250),
                                     ("", "203.0.113.9", 454),
                                     ("", RELAYER, 250)):
            with self.subTest(login=login, address=address):
                reply = WORLD.send("a@a.example", token() + "@out.example",
                                   message.compose("a@a.example"), login,
                                   address=address)
                self.want(code, reply.code, f"reply {reply}")

    def test_all_services_answer(self):
        for port in (WORLD.postfix.submission, WORLD.postfix.bare,
                     WORLD.postfix.chrooted):
            with self.subTest(port=port):
                rcpt = token() + "@out.example"
                reply = WORLD.send("a@a.example", rcpt,
                                   message.compose("a@a.example"),
                                   address=RELAYER, port=port)
                self.want_reply(reply, 250)
                WORLD.sink.take(rcpt)

    def test_sendmail_as_another_user(self):
        rcpt = token() + "@out.example"
        ran = WORLD.postfix.sendmail(
            ["-f", "web@a.example", rcpt],
            message.compose("web@a.example"), uid=5001)
        self.want(0, ran.returncode, f"sendmail {ran.stdout}")
        got = WORLD.sink.take(rcpt)
        self.want("web@a.example", got.mail_from, "envelope sender")
        self.assertIn(b"userid 5001", got.message)

    def test_eight_bits_are_converted_or_kept(self):
        sent = message.compose("a@a.example", b"caf\xc3\xa9\r\n", [
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit")])
        for domain, keeps in ((postfix.DOMAIN_7BIT, False),
                              (postfix.DOMAIN_KEPT, True)):
            with self.subTest(domain=domain):
                rcpt = f"{token()}@{domain}"
                WORLD.send("a@a.example", rcpt, sent, address=RELAYER,
                           params="BODY=8BITMIME")
                got = WORLD.sink7.take(rcpt).message
                self.want(keeps, b"caf\xc3\xa9" in got, "kept as it was")

    def test_tls_and_sasl(self):
        WORLD.postfix.add_login("carol", "a.example", "secret")
        with WORLD.client(plain=True) as client:
            self.want_reply(client.starttls(), 250)
            self.want_reply(client.auth_plain("carol@a.example", "wrong"),
                            535)
            self.want_reply(client.auth_plain("carol@a.example", "secret"),
                            235)

    def test_sink_refuses_and_postfix_bounces(self):
        rcpt = token() + "@out.example"
        author = token() + "@a.example"
        WORLD.sink.refuse[rcpt] = "550 5.1.1 nobody of that name"
        WORLD.send(author, rcpt, message.compose(author), address=RELAYER)
        got = WORLD.sink.take(author)
        self.want("", got.mail_from, "sender of the bounce")

    def test_connection_of_another_uid(self):
        with WORLD.client_as(5002) as client:
            here, there = client._socket.getsockname(), WORLD.postfix.smtp
            with open("/proc/net/tcp") as file:
                rows = [line.split() for line in file][1:]
            found = [row[7] for row in rows
                     if int(row[1].split(":")[1], 16) == here[1]
                     and int(row[2].split(":")[1], 16) == there]
            self.want(["5002"], found, "owner of the socket")

    def test_verifiers_tell_good_from_bad(self):
        keys = Keys(WORLD.place.at("own-keys"), os.geteuid(), os.getegid())
        keys.add_both("a.example")
        plain = message.compose("a@a.example")
        for selector, algorithm in (("rsa", b"rsa-sha256"),
                                    ("ed", b"ed25519-sha256")):
            with open(keys.file("a.example", selector), "rb") as file:
                pem = file.read()
            if selector == "ed":
                pem = _seed(keys.file("a.example", selector))
            line = dkim.sign(plain, selector.encode(), b"a.example", pem,
                             signature_algorithm=algorithm,
                             include_headers=[b"from", b"subject"])
            signed = line + plain
            changed = signed.replace(b"Hello", b"Hallo")
            header = signed.replace(b"a test", b"a jest")
            name = f"a.example/{selector}"
            for check in (dkimcheck.by_python, dkimcheck.by_perl):
                with self.subTest(selector=selector, by=check.__name__):
                    self.want([f"{name} pass"],
                              check(signed, keys.records), "untouched")
                    for bad in (changed, header):
                        got = check(bad, keys.records)
                        self.want(1, len(got), "signatures")
                        self.assertNotIn("pass", got[0])
                    self.assertNotIn("pass", check(signed, {})[0])

    def test_queue_shows_what_is_held(self):
        rcpt = token() + "@out.example"
        # Nothing of Postfix's own holds mail here, so ask it to.
        WORLD.sink.refuse[rcpt] = "450 4.2.0 later"
        WORLD.send("a@a.example", rcpt, message.compose("a@a.example"),
                   address=RELAYER)
        entry = wait_until(lambda: [
            one for one in WORLD.postfix.queue("deferred")
            if one["recipients"][0]["address"] == rcpt], "deferral")[0]
        subprocess.run(["/usr/sbin/postsuper", "-c", WORLD.postfix.etc, "-h",
                        entry["queue_id"]], check=True, timeout=30,
                       stderr=subprocess.DEVNULL)
        held = WORLD.postfix.held(rcpt)
        self.want(1, len(held), "messages on hold")
        self.assertIn(b"Hello.", WORLD.postfix.content(entry["queue_id"]))
        del WORLD.sink.refuse[rcpt]
        WORLD.postfix.release(entry["queue_id"])
        WORLD.sink.take(rcpt)


class Text(Case):
    def test_logfmt(self):
        got = logfmt('Oct 1 postern[3]: event=message id=1 '
                     'subject="a \\"b\\" c" us=12 dkim=a/b,c/d')
        self.want({"event": "message", "id": "1", "subject": 'a "b" c',
                   "us": "12", "dkim": "a/b,c/d"}, got, "fields")

    def test_render(self):
        got = render({("limit", "day"): {"max": 5, "per": "1d"},
                      "mode": "enforce", "none": None,
                      ("class", "local"): {"sign": True},
                      "relay_networks": ["127.0.0.0/8"]})
        self.want('mode = enforce\nrelay_networks = { "127.0.0.0/8" }\n'
                  'limit "day" {\n    max = 5\n    per = 1d\n}\n'
                  'class local {\n    sign = yes\n}\n', got, "text")


def _seed(path: str) -> bytes:
    """What python3-dkim wants as an Ed25519 key: its seed in base64."""
    return base64.b64encode(
        openssl("pkey", "-in", path, "-outform", "DER")[-32:])
