"""Sending limits: what is promised holds, and the customer is told why."""

import itertools
import json
import os
import re
import threading

from harness import message
from harness.case import Case
from harness.place import token, wait_until
from harness.world import World

WORLD = None
MAX = 10            # recipients of an account
MAX_RECIPIENTS = 6  # of a message
MAX_CLIENT = 12     # messages of a client address
MAX_DOMAIN = 11     # messages of a From domain
MAX_REFUSALS = 5

SETTINGS = {
    "senders": {"on_mismatch": "reject"},
    ("class", "submission"): {"max_recipients": MAX_RECIPIENTS},
    ("limit", "hourly"): {"key": "account", "count": "recipients",
                          "max": MAX, "per": "1h", "action": "tempfail"},
    ("limit", "address"): {"key": "client_ip", "count": "messages",
                           "max": MAX_CLIENT, "per": "1d",
                           "action": "reject"},
    ("limit", "domain"): {"key": "from_domain", "count": "messages",
                          "max": MAX_DOMAIN, "per": "1h",
                          "action": "tempfail"},
    ("limit", "noise"): {"key": "account", "count": "refusals",
                         "max": MAX_REFUSALS, "per": "1h",
                         "action": "tempfail"},
    ("limit", "domain_noise"): {"key": "from_domain", "count": "refusals",
                                "max": MAX_REFUSALS, "per": "1h",
                                "action": "tempfail"},
    ("limit", "held"): {"key": "account", "count": "messages", "max": 8,
                        "per": "1h", "action": "hold"},
    ("limit", "seen"): {"key": "account", "count": "messages", "max": 1,
                        "per": "1h", "action": "reject", "mode": "observe"},
}


def setUpModule():
    global WORLD
    WORLD = World("limits", SETTINGS, keys=())


def tearDownModule():
    WORLD.stop()


class Limits(Case):
    _hosts = itertools.count(1)

    def setUp(self):
        """An account, a domain and an address nobody has used."""
        self.login = f"x@{token()}.example"
        number = next(self._hosts)
        self.address = f"198.51.{100 + number // 250}.{number % 250}"

    def story(self):
        return WORLD.story()

    def send(self, count: int = 1, login: str = "", author: str = "",
             address: str = ""):
        login = login or self.login
        rcpts = [f"{token()}@out.example" for _ in range(count)]
        return WORLD.send(login, rcpts, message.compose(author or login),
                          login, address=address or self.address)

    def want_taken(self, *counts: int, **how) -> None:
        for count in counts:
            self.want_reply(self.send(count, **how), 250, "2.0.0")


class Promise(Limits):
    def test_refused_at_the_end_then_at_mail(self):
        self.want_taken(5, 5)
        reply = self.send()
        self.want_reply(reply, 450, "4.7.1", "hourly", str(MAX))
        self.want("EOM", reply.stage, "first refusal")
        self.assertRegex(reply.words, r"\b\d+ ?(s|sec|m|min|h|hour)",
                         "time to wait")
        self.want_fields(WORLD.line_of(reply), action="tempfail",
                         reason="limit", limit="hourly", rcpts=1)
        self.want_reply(self.until_remembered(self.send), 450, "4.7.1",
                        "hourly", str(MAX))

    def test_smaller_message_still_fits(self):
        self.want_taken(5, 4)
        reply = self.send(2)
        self.want_reply(reply, 450, "4.7.1")
        self.want("EOM", reply.stage, "refusal")
        self.want_taken(1)

    def test_time_to_wait_is_within_the_window(self):
        self.want_taken(5, 5)
        self.send()
        reply = self.send()
        line = WORLD.line_of(reply)
        seconds = int(line["retry_after"])
        self.assertLessEqual(seconds, 3600 + 60)
        self.assertGreater(seconds, 3000)

    def test_more_recipients_than_ever_fit(self):
        """Above max_recipients the client is told to take fewer."""
        with WORLD.client(self.login, address=self.address) as client:
            self.want_reply(client.mail(self.login), 250)
            rcpts = [f"{token()}@out.example" for _ in range(8)]
            replies = [client.rcpt(rcpt) for rcpt in rcpts]
            for reply in replies[:MAX_RECIPIENTS]:
                self.want_reply(reply, 250)
            for reply in replies[MAX_RECIPIENTS:]:
                self.want_reply(reply, 452, "4.5.3", str(MAX_RECIPIENTS))
            reply = client.data(message.compose(self.login))
            self.want_reply(reply, 250)
        for rcpt in rcpts[:MAX_RECIPIENTS]:
            WORLD.sink.take(rcpt)
        self.want([], [rcpt for rcpt in rcpts[MAX_RECIPIENTS:]
                       if WORLD.sink.find(rcpt)], "refused recipients")
        # Only those that were taken were charged.
        self.want_taken(MAX - MAX_RECIPIENTS)
        self.want_reply(self.send(), 450, "4.7.1")

    def test_reject_of_a_client_address(self):
        domains = [f"x@{token()}.example" for _ in range(MAX_CLIENT)]
        for login in domains:
            self.want_taken(1, login=login)
        reply = self.send()
        self.want_reply(reply, 550, "5.7.1", "address", str(MAX_CLIENT))
        self.want_fields(WORLD.line_of(reply), action="reject",
                         limit="address")

    def test_all_limits_are_charged_or_none(self):
        for _ in range(MAX_CLIENT):
            self.want_taken(1, login=f"x@{token()}.example")
        for _ in range(MAX_REFUSALS - 1):
            self.want_reply(self.send(), 550, "5.7.1", "address")
        # None of those took from what the account has.
        self.want_taken(5, 5, address="198.51.99.1")
        self.want_reply(self.send(address="198.51.99.1"), 450, "4.7.1",
                        "hourly")

    def test_domain_of_several_accounts(self):
        domain = f"{token()}.example"
        for number in range(MAX_DOMAIN):
            self.want_taken(1, login=f"user{number}@{domain}")
        self.want_reply(self.send(login=f"one-more@{domain}"), 450, "4.7.1",
                        "domain")
        self.want_taken(1)

    def test_refusals_count(self):
        for _ in range(MAX_REFUSALS):
            self.want_reply(self.send(author="bob@b.example"), 550, "5.7.1")
        reply = self.send()
        self.want_reply(reply, 450, "4.7.1", "noise")

    def test_our_own_faults_are_no_refusals(self):
        domain = self.login.partition("@")[2]
        os.chmod(WORLD.keys.add(domain), 0o644)
        for _ in range(MAX_REFUSALS + 1):
            self.want_reply(self.send(), 451, "4.7.1", "signed")
        os.unlink(WORLD.keys.file(domain, "rsa"))
        os.rmdir(os.path.join(WORLD.keys.path, domain))
        wait_until(lambda: self.send().ok, "mail taken again", 30)

    def test_nobody_uses_up_anothers_domain(self):
        """What is refused for its From isn't the domain's doing."""
        for _ in range(MAX_DOMAIN + 1):
            WORLD.send("x@c.example", "r@out.example",
                       message.compose(self.login), "x@c.example",
                       address=self.address)
        self.want_taken(1, address="203.0.113.77")

    def test_refused_messages_take_no_room(self):
        for _ in range(MAX_REFUSALS - 1):
            self.want_reply(self.send(5, author="bob@b.example"), 550)
        self.want_taken(5, 5)

    def test_aborted_messages_take_no_room(self):
        with WORLD.client(self.login, address=self.address) as client:
            for _ in range(MAX + 2):
                client.mail(self.login)
                client.rcpt("r@out.example")
                client.cmd("RSET")
        self.want_taken(5, 5)

    def test_limit_that_holds(self):
        """What it holds still counts for the limits beside it."""
        self.want_taken(*[1] * 8)
        for _ in range(2):
            rcpt = f"{token()}@out.example"
            self.want_reply(WORLD.send(self.login, rcpt, message.compose(
                self.login), self.login, address=self.address), 250)
            self.want(1, len(WORLD.postfix.held(rcpt)), "on hold")
        self.want_reply(self.send(), 450, "4.7.1", "hourly")

    def test_limit_that_observes(self):
        self.want_taken(1)
        reply = self.send()
        self.want_reply(reply, 250)
        self.want_fields(WORLD.line_of(reply), action="accept",
                         would="reject", limit="seen")

    def test_account_in_any_case(self):
        self.want_taken(5, 5)
        self.want_reply(self.send(login=self.login.upper()), 450)

    def test_exact_when_all_come_at_once(self):
        """Thirty connections, room for ten."""
        replies = []
        together = threading.Barrier(30)

        def one(number: int) -> None:
            address = f"198.18.{number}.1"
            with WORLD.client(self.login, address=address) as client:
                together.wait(60)
                replies.append(client.send(
                    self.login, f"{token()}@out.example",
                    message.compose(self.login)))

        threads = [threading.Thread(target=one, args=(number,))
                   for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.want(30, len(replies), "replies")
        codes = sorted(reply.code for reply in replies)
        self.want([250] * MAX + [450] * (30 - MAX), codes, "codes")


class Restarting(Limits):
    def test_what_was_counted_survives(self):
        self.want_taken(5, 4)
        WORLD.postern.restart()
        self.want_reply(self.send(2), 450, "4.7.1", "hourly")
        self.want_taken(1)
        reply = self.send()
        self.want_reply(reply, 450, "4.7.1", "hourly")
        WORLD.postern.restart()
        reply = self.send()
        self.want_reply(reply, 450, "4.7.1", "hourly")
        self.want("EOM", reply.stage, "refusal by the store")


class Control(Limits):
    """posternctl limits."""

    def test_show(self):
        self.want_taken(3, 4)
        ran = WORLD.postern.ctl("limits", "show", self.login, "--json")
        self.want(0, ran.returncode, f"exit status ({ran.err})")
        self.assertIn("hourly", ran.out)
        shown = json.dumps(json.loads(ran.out))
        self.assertRegex(shown, r"\b7\b", "used")
        ran = WORLD.postern.ctl("limits", "show", self.login)
        self.want(0, ran.returncode, f"exit status ({ran.err})")
        self.assertTrue(re.search(r"hourly.*\b7\b", ran.out), ran.out)

    def test_reset_gives_room_at_once(self):
        self.want_taken(5, 5)
        self.want("EOM", self.send().stage, "first refusal")
        self.until_remembered(self.send)
        ran = WORLD.postern.ctl("limits", "reset", self.login)
        self.want(0, ran.returncode, f"exit status ({ran.err})")
        self.want_taken(5)

    def test_reset_of_nobody(self):
        ran = WORLD.postern.ctl("limits", "reset", "nobody@c.example")
        self.want(1, ran.returncode, f"exit status ({ran.out}{ran.err})")


class BuiltIn(Limits):
    """An empty file: 500 recipients an hour, 2000 a day, for submission."""

    @classmethod
    def setUpClass(cls):
        WORLD.postern.restart({"store": {"path": WORLD.place.make(
            "fresh", mode=0o700, uid=WORLD.postern.user.pw_uid,
            gid=WORLD.postern.user.pw_gid)}})

    @classmethod
    def tearDownClass(cls):
        WORLD.postern.restart(SETTINGS)

    def test_hourly(self):
        self.want_taken(250, 250)
        reply = self.send()
        self.want_reply(reply, 450, "4.7.1", "hourly", "500")

    def test_message_that_never_fits(self):
        reply = self.send(501)
        self.want_reply(reply, 550, "5.7.1", "500")
        self.want_fields(WORLD.line_of(reply), reason="cost")

    def test_other_classes_observe(self):
        rcpts = [f"{token()}@out.example" for _ in range(501)]
        reply = WORLD.send("x@c.example", rcpts,
                           message.compose("x@c.example"),
                           address="127.0.0.9")
        self.want_reply(reply, 250)
        self.want_fields(WORLD.line_of(reply), class_="relay",
                         action="accept", would="reject")
