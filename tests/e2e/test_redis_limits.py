"""Limits that several relays keep together in one Redis: exact whatever the
interleaving, one round trip a message, changed on one relay and felt on all."""

import re

from harness.place import token, wait_until
from harness.relaycase import RelayCase
from harness.relays import Load, Relays

RELAYS = None
CONNECTIONS = 50


def setUpModule():
    global RELAYS
    RELAYS = Relays("redis-limits")


def tearDownModule():
    RELAYS.stop()


class Limits(RelayCase):
    # What holds as long as Redis answers in time: on a busy host too.
    STORE = {"timeout": "10s"}

    @classmethod
    def relays(cls):
        return RELAYS


def limit(name: str, most: int, key: str = "account",
          count: str = "messages", per: str = "1h", action: str = "tempfail",
          **more) -> dict:
    return {("limit", name): {"key": key, "count": count, "max": most,
                              "per": per, "action": action, **more}}


class Promise(Limits):
    """Two relays, fifty connections each."""

    SETTINGS = {**limit("hourly", 137), **limit("daily", 1000, per="1d")}

    def test_exactly_so_many_leave(self):
        for turn in range(3):
            with self.subTest(turn=turn):
                self.exactly_so_many(f"{token()}@b.example")

    def exactly_so_many(self, login: str) -> None:
        load = Load(self.benches, CONNECTIONS, login, each=3).start().wait()
        self.want_load(load)
        self.want(6 * CONNECTIONS, len(load.sent), "answers")
        self.want(137, len(load.left()), "messages that left")
        for one in load.refused():
            self.want_refused(one.answer, "450 4.7.1", "hourly", "137")
        self.want_used(137, self.benches[0], "hourly", login)
        self.want_used(137, self.benches[1], "daily", login)
        for bench in self.benches:
            self.assertTrue([one for one in load.left()
                             if one.bench is bench], "left by each relay")
            wait_until(lambda: len(bench.postern.lines(
                event="message", account=login)) == 3 * CONNECTIONS,
                "a line in the log for each message")

    def test_exact_in_recipients_of_any_number(self):
        """With messages to 5 recipients 135 is the last sum that fits."""
        prefix = token()
        settings = limit("rcpts", 137, count="recipients")
        benches = [RELAYS.add(settings, url=self.url(), prefix=prefix,
                              timeout="5s")
                   for _ in range(2)]
        try:
            load = Load(benches, 20, self.login, each=2, rcpts=5).start()
            load.wait()
            self.want_load(load)
            self.want(27, len(load.left()), "messages that left")
            self.want_used(135, benches[0], "rcpts")
            self.want_leaves(self.send(benches[1], 2))
            self.want_used(137, benches[0], "rcpts")
        finally:
            for bench in benches:
                RELAYS.drop(bench)


class Levels(Limits):
    """Mailbox, customer, server: 40, 70, 137, each in two windows."""

    SETTINGS = {
        **limit("mailbox", 40), **limit("mailbox_day", 45, per="1d"),
        **limit("customer", 70, key="parent", action="reject"),
        **limit("customer_day", 75, key="parent", per="1d"),
        **limit("server", 137, key="global"),
        **limit("server_day", 150, key="global", per="1d"),
    }

    def test_all_levels_hold_together(self):
        domains = [f"{token()}.example" for _ in range(2)]
        logins = [f"{user}@{domain}" for domain in domains
                  for user in ("a", "b")]
        loads = [Load(self.benches, 13, login, each=2).start()
                 for login in logins]
        left = {}
        for login, load in zip(logins, loads):
            load.wait()
            self.want_load(load)
            left[login] = len(load.left())
        for login in logins:
            self.assertLessEqual(left[login], 40, "a mailbox")
            self.want_used(left[login], self.benches[0], "mailbox", login)
            self.want_used(left[login], self.benches[1], "mailbox_day", login)
        for domain in domains:
            together = sum(left[one] for one in logins
                           if one.endswith("@" + domain))
            self.assertLessEqual(together, 70, "a customer")
            self.want_used(together, self.benches[0], "customer", domain,
                           "parent")
            self.want_used(together, self.benches[1], "customer_day", domain,
                           "parent")
        # 4 × 52 messages wanted to leave: only the server's limit can have
        # stopped the last of them.
        self.want(137, sum(left.values()), "messages that left")
        self.want_used(137, self.benches[0], "server", key="global")
        self.want_used(137, self.benches[1], "server_day", key="global")


class RoundTrips(Limits):
    COUNT = 1
    SETTINGS = {
        "senders": {"on_mismatch": "reject"},
        **limit("hourly", 1000, count="recipients"),
        **limit("few", 2), **limit("new", 1000, count="new_recipients"),
        **limit("noise", 100, count="refusals"),
        **limit("domain", 1000, key="from_domain"),
        **limit("address", 1000, key="client_ip"),
        **limit("server", 1000000, key="global", count="bytes"),
    }

    @classmethod
    def setUpClass(cls):
        """A store that comes up tries whether it can write, and lists the
        overrides: wait until it has, and polls."""
        redis = RELAYS.redis
        listed = redis.calls("hscan")
        super().setUpClass()
        wait_until(lambda: redis.calls("hscan") > listed, "a list")
        polled = redis.calls("hget")
        wait_until(lambda: redis.calls("hget") > polled + 4, "some polls")

    def calls_of(self, work) -> int:
        """Calls of scripts that work has made. What the daemon asks beside
        the messages (its epoch) is no script."""
        before = [RELAYS.redis.calls(name)
                  for name in ("evalsha", "eval", "fcall")]
        work()
        after = [RELAYS.redis.calls(name)
                 for name in ("evalsha", "eval", "fcall")]
        self.want(before[1:], after[1:], "calls of EVAL and FCALL")
        return after[0] - before[0]

    def test_one_for_each_message_that_leaves(self):
        """Where the DNS must be asked about the author's domain the limits
        are looked at before."""
        bench = self.benches[0]
        self.want_left(bench, 1)  # the script is known from here on
        for rcpts in (1, 5, 100):
            with self.subTest(rcpts=rcpts):
                login = f"x@{token()}.example"
                self.want(2, self.calls_of(lambda: self.want_left(
                    bench, rcpts, login=login)), "calls of EVALSHA, cold")
                self.want(1, self.calls_of(lambda: self.want_left(
                    bench, rcpts, login=login)), "calls of EVALSHA")

    def test_one_for_a_message_that_a_limit_refuses(self):
        """Its refusal is counted in the same step; the next is refused
        without any."""
        bench = self.benches[0]
        self.want_left(bench, 1, 1)
        self.want(1, self.calls_of(lambda: self.want_refused(
            self.send(bench), "450 4.7.1", "few", stage="eom")),
            "calls of EVALSHA")
        self.want_used(1, bench, "noise")
        self.want(0, self.calls_of(lambda: self.want_refused(
            self.send(bench), "450 4.7.1", "few", stage="mail")),
            "calls of EVALSHA when it is remembered")

    def test_one_for_a_message_that_authorization_refuses(self):
        bench = self.benches[0]
        self.want(1, self.calls_of(lambda: self.want_refused(self.send(
            bench, author="bob@b.example"), "550 5.7.1")), "calls of EVALSHA")
        self.want_used(1, bench, "noise")

    def test_none_without_a_message(self):
        def abort():
            with self.benches[0].begun() as milter:
                milter.mail(f"<{self.login}>", login=self.login)
                milter.rcpt("<r@out.example>")
                milter.abort()
                milter.quit()

        self.want(0, self.calls_of(abort), "calls of EVALSHA")


class Acting(Limits):
    """What is done on one relay acts on the other."""

    SETTINGS = {**limit("hourly", 3), **limit("day", 50, per="1d"),
                **limit("customer", 9, key="parent")}

    def use_up(self, bench, count: int = 3):
        """Send all there is, and more, until the relay knows by itself."""
        self.want_left(bench, *[1] * count)
        self.want_refused(self.send(bench), "450 4.7.1", stage="eom")
        self.until_known(bench)

    def until_known(self, bench) -> None:
        self.want_refused(self.until_remembered(
            lambda: self.send(bench)), "450 4.7.1")

    def test_count_is_shared(self):
        here, there = self.benches
        self.want_left(here, 1, 1)
        self.want_left(there, 1)
        for bench in self.benches:
            self.want_refused(self.send(bench), "450 4.7.1", "hourly", "3")

    def test_reset_ends_refusals_on_both(self):
        here, there = self.benches
        self.use_up(here)
        self.want_refused(self.send(there), "450 4.7.1", stage="eom")
        self.until_known(there)
        self.ctl(here, "limits", "reset", self.login)
        self.until_left(there)
        self.until_left(here)

    def test_override_that_raises(self):
        here, there = self.benches
        self.use_up(here)
        self.want_refused(self.send(there), "450 4.7.1")
        self.ctl(here, "limits", "set", self.login, "hourly", "5")
        self.until_left(there)
        self.until_left(here)
        self.want_refused(self.send(there), "450 4.7.1", "5")
        self.want(5, self.shown(there, self.login)["hourly"]["max"], "max")
        self.want(3, self.shown(there, self.login)["hourly"]
                  ["configured_max"], "configured max")
        self.ctl(there, "limits", "set", self.login, "hourly", "default")
        self.want_refused(self.send(here), "450 4.7.1", "3")

    def test_override_that_lowers_and_forbids(self):
        here, there = self.benches
        self.ctl(there, "limits", "set", self.login, "hourly", "1")
        self.want_left(here, 1)
        self.want_refused(self.send(here), "450 4.7.1", "hourly", "1")
        other = f"y@{token()}.example"
        self.ctl(there, "limits", "set", other, "hourly", "0")
        answer = self.send(here, login=other)
        self.assertFalse(answer.ok, f"leaves by a max of 0: {answer}")

    def test_override_under_load(self):
        """Raised from 3 to 9 while both relays are hammered: 9 leave, for no
        more do by the customer's own limit."""
        with Load(self.benches, 5, self.login, pause=0.01) as load:
            wait_until(lambda: len(load.left()) == 3
                       and len(load.refused()) > 50, "refusals", 30)
            self.ctl(self.benches[1], "limits", "set", self.login, "hourly",
                     "100")
            wait_until(lambda: len(load.left()) >= 9, "the rest", 30)
            refused = len(load.refused())
            wait_until(lambda: len(load.refused()) > refused + 50,
                       "refusals by the other limit", 30)
        self.want_load(load)
        self.want(9, len(load.left()), "messages that left")

    def test_override_that_ends(self):
        here, there = self.benches
        self.ctl(here, "limits", "set", self.login, "hourly", "1",
                 "--for", "2s")
        self.want_left(there, 1)
        self.want_refused(self.send(there), "450 4.7.1", "hourly")
        self.until_left(there)
        self.want_left(there, 1)
        self.want_refused(self.send(there), "450 4.7.1", "hourly", "3")

    def test_block(self):
        here, there = self.benches
        self.want_left(there, 1)
        self.ctl(here, "block", self.login, "--reason", "hacked shop")
        answer = self.until_refused(there, "hacked shop")
        self.want_refused(answer, "550 5.7.1")
        self.until_refused(here, "hacked shop")
        self.want_left(there, 1, login=f"y@{token()}.example")
        line = there.postern.line(event="message", account=self.login,
                                  reason="blocked")
        self.want_fields(line, action="reject")
        self.assertIn(self.login, self.ctl(there, "blocked").out)
        self.ctl(there, "unblock", self.login)
        self.until_left(here)
        self.until_left(there)
        self.want_used(3, here, "hourly")

    def test_block_of_a_customer(self):
        here, there = self.benches
        domain = self.login.partition("@")[2]
        self.ctl(here, "block", domain, "--key", "parent")
        self.until_refused(there)
        self.until_refused(there, login=f"other@{domain}")
        self.want_left(there, 1, login=f"y@{token()}.example")
        self.ctl(here, "unblock", domain, "--key", "parent")
        self.until_left(there)

    def test_block_that_ends(self):
        here, there = self.benches
        self.ctl(here, "block", self.login, "--for", "2s")
        self.until_refused(there)
        self.until_left(there)


class Counts(Limits):
    """What can be counted, under what."""

    SETTINGS = {
        ("class", "submission"): {"max_recipients": 0},
        **limit("bytes", 20000, count="bytes"),
        **limit("new", 5, count="new_recipients", per="1d"),
        **limit("recipients", 40, count="recipients"),
        **limit("sender", 4, key="sender"),
        **limit("address", 6, key="client_ip", action="reject"),
        **limit("domain", 100, key="from_domain"),
    }

    def spread(self, count: int):
        """Addresses of clients, so that none is over its limit."""
        return [f"203.0.113.{number + 1}" for number in range(count)]

    def test_bytes(self):
        here, there = self.benches
        sender = iter(f"s{n}@{self.login.partition('@')[2]}"
                      for n in range(10))
        body = b"x" * 70 + b"\r\n"
        self.want_left(here, 1, body=body * 120, sender=next(sender))
        self.want_left(there, 1, body=body * 120, sender=next(sender))
        used = self.shown(here, self.login)["bytes"]["used"]
        self.assertGreater(used, 2 * 120 * 72)
        self.want_refused(self.send(here, body=body * 120,
                                    sender=next(sender)),
                          "450 4.7.1", "bytes")
        self.want_used(used, there, "bytes")
        answer = self.send(there, body=body * 300, sender=next(sender))
        self.want_refused(answer, "550 5.7.1")

    def test_new_recipients(self):
        """What one relay has seen isn't new on the other."""
        here, there = self.benches
        known = [f"{token()}@out.example" for _ in range(5)]
        self.want_left(here, known[:3])
        self.want_left(there, known[:4])
        self.want_used(4, here, "new")
        self.want_left(here, known)
        self.want_used(5, there, "new")
        self.want_refused(self.send(there, 1), "450 4.7.1", "new")
        # Whom it has written to may be written to on.
        self.want_left(there, known)
        # Twice the same in one message is one, in whatever case of domain.
        other = f"y@{token()}.example"
        rcpt = token()
        self.want_left(here, [f"{rcpt}@out.example", f"{rcpt}@OUT.example"],
                       login=other)
        self.want_used(1, there, "new", other)
        self.want_used(2, there, "recipients", other)

    def test_envelope_sender(self):
        here, there = self.benches
        address = iter(self.spread(9))
        for number in range(4):
            self.want_leaves(self.send((here, there)[number % 2],
                                       address=next(address)))
        self.want_refused(self.send(here, address=next(address)),
                          "450 4.7.1", "sender")
        domain = self.login.partition("@")[2]
        self.want_leaves(self.send(there, sender=f"other@{domain}",
                                   address=next(address)))

    def test_client_address(self):
        here, there = self.benches
        for number in range(6):
            self.want_leaves(self.send((here, there)[number % 2],
                                       login=f"x@{token()}.example"))
        for bench in self.benches:
            self.want_refused(
                self.send(bench, login=f"x@{token()}.example"),
                "550 5.7.1", "address")
        self.want_used(6, here, "address", self.address, "client_ip")

    def test_all_or_none(self):
        """What doesn't fit one limit isn't counted by another."""
        here, there = self.benches
        for _ in range(6):
            self.want_leaves(self.send(here, login=f"x@{token()}.example"))
        self.want_refused(self.send(there, 3), "550 5.7.1", "address")
        self.assertEqual({}, {name: one["used"] for name, one in
                              self.shown(here, self.login).items()
                              if one["used"] != 0}, "counted")


class Warns(Limits):
    SETTINGS = {**limit("hourly", 10, warn="80%"),
                **limit("silent", 10, per="1d")}

    def test_said_once_a_window_by_one_relay(self):
        load = Load(self.benches, 10, self.login, each=2).start()
        load.wait()
        self.want_load(load)
        self.want(10, len(load.left()), "messages that left")
        lines = wait_until(lambda: self.events(self.benches, "limit_warn"),
                           "a warning")
        self.want(1, len(lines), f"warnings in {lines}")
        self.want_fields(lines[0], limit="hourly", key="account",
                         subject=self.login, used=8, max=10)


class Plans(Limits):
    @classmethod
    def settings(cls):
        cls.map = RELAYS.place.write("plans", "".join((
            "shop@plans.example - customer1 big\n",
            "two@plans.example - customer1\n",
            "@small.example - - little\n")))
        return {
            "accounts": {"map": f"texthash:{cls.map}",
                         "default_plan": "usual"},
            **limit("few", 2), **limit("some", 4), **limit("many", 8),
            **limit("customer", 7, key="parent"),
            ("plan", "little"): {"limits": ["few", "customer"]},
            ("plan", "usual"): {"limits": ["some", "customer"]},
            ("plan", "big"): {"limits": ["many", "customer"]},
        }

    def want_room(self, login: str, count: int, limit_name: str):
        for number in range(count):
            self.want_leaves(self.send(self.benches[number % 2],
                                       login=login))
        self.want_refused(self.send(self.benches[0], login=login),
                          "450 4.7.1", limit_name)

    def test_default_plan(self):
        self.want_room(self.login, 4, "some")

    def test_plan_by_domain(self):
        self.want_room("x@small.example", 2, "few")

    def test_plan_by_account_and_parent_of_two(self):
        self.want_room("shop@plans.example", 7, "customer")
        self.want_refused(self.send(self.benches[1],
                                    login="two@plans.example"),
                          "450 4.7.1", "customer")
        self.want_used(7, self.benches[0], "customer", "customer1", "parent")


class Window(Limits):
    """Room comes back, and no earlier."""

    SETTINGS = limit("short", 5, per="3s")

    def test_never_more_than_max_in_any_window(self):
        with Load(self.benches, 5, self.login, pause=0.01) as load:
            wait_until(lambda: len(load.left()) >= 16, "three windows", 60)
        self.want_load(load)
        left = sorted(load.left(), key=lambda one: one.done)
        # Each was charged between its begin and its end. A millisecond or
        # two are the clocks'.
        spans = [late.done - early.begun
                 for early, late in zip(left, left[5:])]
        self.assertGreaterEqual(min(spans), 3 - 0.005,
                                "seconds that six messages took to leave")

    def test_retry_after_is_told(self):
        self.want_left(self.benches[0], *[1] * 5)
        answer = self.send(self.benches[1])
        self.want_refused(answer, "450 4.7.1")
        self.assertTrue(re.search(r"\b[1-4] ?s", answer.reply), answer.reply)
        self.until_left(self.benches[1])


class Places(Limits):
    """How Redis is reached, and as whom."""

    @classmethod
    def settings(cls):
        return None

    def both(self, url: str, **options) -> None:
        """A relay there counts; what it counts is under its prefix."""
        relay = self.add(limit("hourly", 3), url=url, **options)
        try:
            self.want_left(relay, 1, 1, 1)
            self.want_refused(self.send(relay), "450 4.7.1", "hourly")
            self.want_used(3, relay, "hourly")
            self.ctl(relay, "limits", "set", self.login, "hourly", "4")
            self.until_left(relay)
            self.assertIn(self.login, self.ctl(relay, "top").out)
            self.ctl(relay, "limits", "reset", self.login)
            self.ctl(relay, "limits", "set", self.login, "hourly", "default")
            self.want([], relay.postern.lines(event="store_away"), "away")
        finally:
            RELAYS.drop(relay)

    def want_keys(self, database: int) -> None:
        head = f"{{{self.prefix}}}:".encode()
        found = [number for number in range(16)
                 if [key for key in RELAYS.redis.keys(database=number)
                     if key.startswith(head)]]
        self.want([database], found, "databases with our keys")

    def setUp(self):
        super().setUp()
        type(self).prefix = token()

    def test_unix_socket(self):
        self.both(RELAYS.redis.unix_url())
        self.want_keys(0)

    def test_unix_socket_and_database(self):
        self.both(RELAYS.redis.unix_url(3))
        self.want_keys(3)

    def test_tcp(self):
        self.both(RELAYS.redis.url())
        self.want_keys(0)

    def test_tcp_and_database(self):
        self.both(RELAYS.redis.url(15))
        self.want_keys(15)

    def test_user_who_may_do_no_more_than_is_needed(self):
        RELAYS.redis.call("ACL", "SETUSER", "narrow", "reset", "on",
                          f">{RELAYS.redis.password}",
                          f"~{{{self.prefix}}}:*", "-@all", "+@read",
                          "+@write", "+@scripting", "+@connection", "+time")
        self.both(RELAYS.redis.url().replace("postern@", "narrow@"))

    def test_user_who_may_not(self):
        """Not among the store's words: the password."""
        RELAYS.redis.call("ACL", "SETUSER", "nobody", "reset", "on",
                          f">{RELAYS.redis.password}", "~other*", "+@all")
        relay = self.add(limit("hourly", 3),
                         url=RELAYS.redis.url().replace("postern@",
                                                        "nobody@"))
        try:
            self.want_left(relay, 1)
            words = relay.postern.line(event="store_away")
            self.assertIn("NOPERM", str(words))
            self.assertNotIn(RELAYS.redis.password, relay.postern.text())
        finally:
            RELAYS.drop(relay)

    def test_password_file_that_others_may_read(self):
        path = RELAYS.place.write("open", "secret\n", mode=0o644)
        relay = self.add(limit("hourly", 3), password_file=path,
                         start=False)
        try:
            ran = relay.postern.check()
            self.want(2, ran.returncode, f"exit status ({ran.out}{ran.err})")
            self.assertIn(path, ran.out + ran.err)
            self.assertNotIn("secret", ran.out + ran.err)
        finally:
            RELAYS.drop(relay)

    def test_places_that_cant_be(self):
        relay = self.add(limit("hourly", 3), start=False)
        try:
            for url, word in (("redis://:secret@127.0.0.1", "password_file"),
                              ("http://127.0.0.1", "redis://"),
                              ("redis://127.0.0.1:99999", "port"),
                              ("redis+sentinel://127.0.0.1:1", "NAME"),
                              ("redis+cluster://127.0.0.1:1/3", "")):
                with self.subTest(url=url):
                    relay.postern.configure(
                        {**limit("hourly", 3), **RELAYS.store(url)})
                    ran = relay.postern.check()
                    said = ran.out + ran.err
                    self.want(2, ran.returncode, f"exit status ({said})")
                    self.assertIn("postern.conf:", said)
                    self.assertIn(word.lower(), said.lower())
                    self.assertNotIn("secret", said)
        finally:
            RELAYS.drop(relay)
