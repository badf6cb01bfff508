"""Mail of this host's own programs: it proves little about who sent it, and
must be neither deferred nor (mostly) bounced."""

import itertools
import os

from harness import dkimcheck, message
from harness.case import Case
from harness.place import token, wait_until
from harness.postfix import HOST
from harness.world import World

WORLD = None
WEB = f"web@{HOST}"
LOCAL = f"local:{HOST}"
BOUNCES = f"bounces:{HOST}"
HOSTS_KEYS = (f"{HOST}/ed", f"{HOST}/rsa")
UID_A, UID_B = 5001, 5002
MAP = f"""\
@a.example   uid:{UID_A}
@b.example   uid:{UID_B}
"""
MAX, HOLD_MAX = 3, 2


def setUpModule():
    global WORLD
    WORLD = World("local", {}, keys=("a.example", "b.example", HOST))
    WORLD.place.write("logins", MAP)


def tearDownModule():
    WORLD.stop()


class Local(Case):
    """Each test has a daemon with nothing counted yet."""

    mode = "enforce"
    _stores = itertools.count()

    def setUp(self):
        store = WORLD.place.make(
            f"store{next(self._stores)}", mode=0o700,
            uid=WORLD.postern.user.pw_uid, gid=WORLD.postern.user.pw_gid)
        WORLD.postern.restart({
            "store": {"path": store},
            "senders": {"owners": "map",
                        "map": f"texthash:{WORLD.place.at('logins')}"},
            ("class", "local"): {"mode": self.mode, "hold_max": HOLD_MAX},
            ("class", "relay"): {"mode": self.mode},
            ("limit", "few"): {"key": "account", "count": "messages",
                               "max": MAX, "per": "1h",
                               "action": "tempfail"}})

    def story(self):
        return WORLD.story()

    def sendmail(self, author: str, sender: str, uid: int = UID_A) -> str:
        """Hand a message to sendmail(1), which must take it; the recipient,
        when the daemon has judged it."""
        rcpt = token() + "@out.example"
        ran = WORLD.postfix.sendmail(
            ["-i", "-f", sender or "<>", rcpt], message.compose(author), uid)
        self.want(0, ran.returncode, f"exit status of sendmail "
                  f"({ran.stdout!r})")
        wait_until(lambda: WORLD.sink.find(rcpt) or WORLD.postfix.held(rcpt)
                   or self.bounced(sender, rcpt),
                   f"the message for {rcpt}, relayed, held or bounced\n"
                   + self.story(), 40)
        return rcpt

    @staticmethod
    def bounced(sender: str, rcpt: str) -> list:
        return [one for one in WORLD.sink.find(sender or "nobody")
                if one.mail_from == "" and rcpt.encode() in one.message]

    def exhaust(self, author: str = WEB, sender: str = WEB) -> None:
        for _ in range(MAX):
            rcpt = self.sendmail(author, sender)
            self.assertTrue(WORLD.sink.find(rcpt), "held too soon")


class ByProgram(Local):
    """sendmail(1), as PHP's mail() uses it."""

    def test_signed_with_the_hosts_own_key(self):
        rcpt = self.sendmail(WEB, WEB)
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         *HOSTS_KEYS)
        self.want_fields(WORLD.message_line(account=LOCAL), class_="local",
                         action="accept")

    def test_what_a_sender_says_proves_nothing(self):
        """uid A, and even B himself, sends as B's address."""
        for uid in (UID_A, UID_B):
            with self.subTest(uid=uid):
                rcpt = self.sendmail("bob@b.example", "bob@b.example", uid)
                self.want([], dkimcheck.names(
                    WORLD.sink.take(rcpt).message), "signatures")
                self.want_fields(
                    WORLD.message_line(from_="bob@b.example"),
                    account=LOCAL, reason="envelope_mismatch", dkim="none")

    def test_no_fresh_allowance_for_another_sender(self):
        self.exhaust()
        for sender in ("bob@b.example", "new@elsewhere.example"):
            with self.subTest(sender):
                rcpt = self.sendmail(sender, sender)
                self.want(1, len(WORLD.postfix.held(rcpt)),
                          "messages on hold")

    def test_over_the_limit_is_held_signed_and_released(self):
        self.exhaust()
        rcpt = self.sendmail(WEB, WEB)
        self.want([], WORLD.sink.find(rcpt), "messages at the sink")
        line = WORLD.message_line(account=LOCAL, action="hold")
        self.want_fields(line, reason="limit", limit="few")
        held = WORLD.postfix.held(rcpt)
        self.want(1, len(held), "messages on hold")
        WORLD.postfix.release(held[0]["queue_id"])
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         *HOSTS_KEYS)

    def test_too_many_held_bounce_to_our_own_sender_only(self):
        self.exhaust()
        for _ in range(HOLD_MAX):
            rcpt = self.sendmail(WEB, WEB)
            self.want(1, len(WORLD.postfix.held(rcpt)), "on hold")
        # a.example has a key here, so it is one of ours.
        sender = f"{token()}@a.example"
        rcpt = self.sendmail(sender, sender)
        self.want(1, len(self.bounced(sender, rcpt)), "bounces")
        self.want([], WORLD.postfix.held(rcpt), "on hold")
        self.want_fields(WORLD.message_line(account=LOCAL, action="reject"),
                         reason="hold_max")
        # Nobody we know: a bounce would go to whom the sender names.
        rcpt = self.sendmail("victim@elsewhere.example",
                             "victim@elsewhere.example")
        self.want(1, len(WORLD.postfix.held(rcpt)), "on hold")
        self.want([], self.bounced("victim@elsewhere.example", rcpt),
                  "bounces to a forged sender")

    def test_held_for_its_envelope_is_signed(self):
        WORLD.postern.restart({
            "senders": {"on_mismatch": "reject"},
            ("class", "local"): {"mode": "enforce"}})
        rcpt = self.sendmail(WEB, "nobody@elsewhere.example")
        held = WORLD.postfix.held(rcpt)
        self.want(1, len(held), "messages on hold")
        WORLD.postfix.release(held[0]["queue_id"])
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         *HOSTS_KEYS)

    def test_a_fault_of_ours_bounces_nothing(self):
        path = WORLD.keys.file(HOST, "rsa")
        os.chmod(path, 0o644)
        self.addCleanup(os.chmod, path, 0o600)
        for _ in range(HOLD_MAX + 1):
            rcpt = self.sendmail(WEB, WEB)
            self.want(1, len(WORLD.postfix.held(rcpt)), "on hold")

    def test_null_sender_by_hand(self):
        rcpt = self.sendmail(f"MAILER-DAEMON@{HOST}", "")
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         *HOSTS_KEYS)
        self.want_fields(WORLD.message_line(account=BOUNCES),
                         class_="local", action="accept")

    def test_null_sender_gets_nobodys_key(self):
        rcpt = self.sendmail("alice@a.example", "")
        self.want([], dkimcheck.names(WORLD.sink.take(rcpt).message),
                  "signatures")

    def test_null_sender_over_its_limit_is_held(self):
        for _ in range(MAX):
            self.assertTrue(WORLD.sink.find(self.sendmail(WEB, "")))
        for _ in range(HOLD_MAX + 1):
            rcpt = self.sendmail(WEB, "")
            self.want(1, len(WORLD.postfix.held(rcpt)), "on hold")
        # Programs with a sender have an allowance of their own.
        self.assertTrue(WORLD.sink.find(self.sendmail(WEB, WEB)))

    def test_bounce_of_postfix_itself(self):
        rcpt, author = token() + "@out.example", f"{token()}@c.example"
        WORLD.sink.refuse[rcpt] = "550 5.1.1 nobody of that name"
        self.want_reply(WORLD.send(author, rcpt, message.compose(author),
                                   "x@c.example"), 250)
        bounce = WORLD.sink.take(author)
        self.want("", bounce.mail_from, "envelope sender of the bounce")
        self.want_signed(bounce.message, WORLD.keys, *HOSTS_KEYS)
        self.want_fields(WORLD.message_line(account=BOUNCES),
                         class_="local", action="accept")


class ByDefault(Local):
    """Without a word in the configuration, local mail is only observed."""

    mode = None

    def test_nothing_is_held(self):
        self.exhaust()
        rcpt = self.sendmail(WEB, WEB)
        self.assertTrue(WORLD.sink.find(rcpt))
        self.want_fields(WORLD.postern.line(
            event="message", account=LOCAL, limit="few"),
            action="accept", would="hold")


class ByConnection(Local):
    """SMTP to 127.0.0.1, whose owner the kernel names."""

    def sent(self, uid: int, author: str):
        rcpt = token() + "@out.example"
        with WORLD.client_as(uid) as client:
            reply = client.send(author, rcpt, message.compose(author))
        names = (dkimcheck.names(WORLD.sink.take(rcpt).message)
                 if reply.ok else [])
        return reply, names

    def test_own_uid_is_signed(self):
        reply, names = self.sent(UID_A, "alice@a.example")
        self.want_reply(reply, 250)
        self.want(["a.example/ed", "a.example/rsa"], names, "signatures")
        self.want_fields(WORLD.message_line(account=f"uid:{UID_A}"),
                         class_="relay", source="uid")

    def test_another_uids_address_gets_no_key(self):
        reply, names = self.sent(UID_A, "bob@b.example")
        self.want_reply(reply, 250)
        self.want([], names, "signatures")
        self.want_fields(WORLD.message_line(account=f"uid:{UID_A}"),
                         reason="envelope_mismatch", dkim="none")

    def test_another_uids_allowance_is_his(self):
        for _ in range(MAX):
            self.want_reply(self.sent(UID_A, "bob@b.example")[0], 250)
        self.want_reply(self.sent(UID_A, "bob@b.example")[0], 450, "4.7.1")
        self.want_reply(self.sent(UID_A, "alice@a.example")[0], 450,
                        "4.7.1")
        for _ in range(MAX):
            self.want_reply(self.sent(UID_B, "bob@b.example")[0], 250)
        self.want_reply(self.sent(UID_B, "bob@b.example")[0], 450, "4.7.1")
