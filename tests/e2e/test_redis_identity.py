"""A panel host and the central relay behind it, each with its own Postfix and
postern: what the panel's customer sends is charged once, to the customer's
login at the panel, and signed by the relay; nobody can say so of himself."""

import json

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.milterclient import LEADING_SPACE
from harness.place import token, wait_until
from harness.relays import Relays
from harness.world import RELAYER, World

FIELD = "X-Postern-Account"
DOMAIN = "a.example"
SIGNED = (f"{DOMAIN}/ed", f"{DOMAIN}/rsa")
MOST = 6
RELAYS = RELAY = PANEL = None

LIMIT = {("limit", "hourly"): {"key": "account", "count": "recipients",
                               "max": MOST, "per": "1h",
                               "action": "tempfail"}}
OF_RELAY = {
    "trusted_networks": ["127.0.0.0/8"],
    "identity_header": FIELD,
    "relay_networks": ["127.0.0.0/8", "192.0.2.0/24"],
    ("class", "relay"): {"mode": "enforce"},
    **LIMIT,
}
OF_PANEL = {"identity_header": FIELD,
            "relay_networks": ["127.0.0.0/8", "192.0.2.0/24"], **LIMIT}


def setUpModule():
    global RELAYS, RELAY, PANEL
    RELAYS = Relays("redis-identity")
    try:
        RELAY = World("central", {**OF_RELAY, **RELAYS.store(timeout="10s")},
                      keys=(DOMAIN,))
        # The panel has a key for the same domain, and must not use it.
        PANEL = World("panel", OF_PANEL, keys=(DOMAIN,),
                      relayhost=f"[127.0.0.1]:{RELAY.postfix.smtp}")
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    try:
        for one in (PANEL, RELAY):
            if one is not None:
                one.stop()
    finally:
        RELAYS.stop()


class InARow(Case):
    def story(self):
        return (f"panel:\n{PANEL.story()}\nrelay:\n{RELAY.story()}\n"
                f"{RELAYS.redis.story()}")

    def setUp(self):
        self.login = f"{token()}@{DOMAIN}"

    def through(self, world, rcpts, headers=(), login=None, author="",
                **how) -> bytes:
        """Hand a message in at world; as it is at the sink."""
        login = self.login if login is None else login
        author = author or self.login
        reply = world.send(author, rcpts,
                           message.compose(author, headers=headers), login,
                           **how)
        self.want_reply(reply, 250)
        return RELAY.sink.take(rcpts[0]).message

    def rcpts(self, count: int = 1):
        return [f"{token()}@out.example" for _ in range(count)]

    def line_at_relay(self, **wanted) -> dict:
        return RELAY.message_line(**wanted)

    def used(self, world, login: str) -> int:
        ran = world.postern.ctl("limits", "show", login, "--json")
        self.want(0, ran.returncode, f"exit status ({ran.err})")
        return sum(one["used"] for one in json.loads(ran.out)["limits"]
                   if one["limit"] == "hourly")

    def want_clean(self, got: bytes) -> None:
        self.want([], message.values(got, FIELD), "header of the account")

    def test_charged_once_to_the_login_and_signed_behind(self):
        got = self.through(PANEL, self.rcpts(2))
        self.want_clean(got)
        self.want_signed(got, RELAY.keys, *SIGNED)
        line = self.line_at_relay(account=self.login)
        self.want_fields(line, source="header", rcpts=2, action="accept")
        self.want(2, self.used(RELAY, self.login), "used at the relay")
        self.want(0, self.used(PANEL, self.login), "used at the panel")
        line = PANEL.message_line(account=self.login)
        self.want_fields(line, class_="submission", action="accept",
                         dkim="none")

    def test_limit_of_the_login_at_the_relay(self):
        """Refused by the relay, it waits at the panel: it isn't lost."""
        self.through(PANEL, self.rcpts(MOST))
        late = self.rcpts()
        reply = PANEL.send(self.login, late, message.compose(self.login),
                           self.login)
        self.want_reply(reply, 250)
        entry = wait_until(lambda: [
            one for one in PANEL.postfix.queue("deferred")
            if one["recipients"][0]["address"] == late[0]], "deferral")[0]
        self.want([], RELAY.sink.find(late[0]), "what left")
        # Another customer of the same panel isn't touched.
        self.through(PANEL, self.rcpts(), login=f"{token()}@{DOMAIN}")
        ran = RELAY.postern.ctl("limits", "reset", self.login)
        self.want(0, ran.returncode, f"exit status ({ran.err})")
        wait_until(lambda: self.is_remembered_no_more(), "room", 30)
        PANEL.postfix.retry(entry["queue_id"])
        RELAY.sink.take(late[0])
        self.want(2, self.used(RELAY, self.login), "used")

    def is_remembered_no_more(self) -> bool:
        reply = RELAY.send(self.login, self.rcpts(),
                           message.compose(self.login), self.login)
        return reply.ok

    def test_several_recipients_are_one_charge_each(self):
        """Postfix may split a message for delivery; the sum is the same."""
        rcpts = self.rcpts(3) + [f"{token()}@other.example"]
        self.through(PANEL, rcpts)
        for rcpt in rcpts:
            RELAY.sink.take(rcpt)
        self.want(4, self.used(RELAY, self.login), "used")

    def test_customer_who_forges_it_at_the_panel(self):
        victim = f"{token()}@{DOMAIN}"
        for headers in ([(FIELD, victim)],
                        [(FIELD, victim), (FIELD.lower(), victim)],
                        [(FIELD.upper(), ""), (FIELD, victim)]):
            with self.subTest(headers=headers):
                got = self.through(PANEL, self.rcpts(), headers)
                self.want_clean(got)
        self.want(0, self.used(RELAY, victim), "used of the victim")
        self.want(3, self.used(RELAY, self.login), "used of the forger")

    def test_customer_who_forges_it_at_the_relay(self):
        """A login of the relay itself comes before any header, and a client
        from elsewhere isn't believed."""
        victim = f"{token()}@{DOMAIN}"
        got = self.through(RELAY, self.rcpts(), [(FIELD, victim)])
        self.want_clean(got)
        self.want_signed(got, RELAY.keys, *SIGNED)
        got = self.through(RELAY, self.rcpts(), [(FIELD, victim)], login="",
                           address=RELAYER)
        self.want_clean(got)
        self.assertNotIn(b"DKIM-Signature", got)
        self.want(0, self.used(RELAY, victim), "used of the victim")
        self.want(1, self.used(RELAY, self.login), "used of the login")
        self.assertTrue(RELAY.postern.lines(
            event="message", account=f"client:{RELAYER}"))

    def test_two_fields_name_nobody(self):
        """From a trusted client, but two: neither is believed."""
        victim = f"{token()}@{DOMAIN}"
        got = self.through(RELAY, self.rcpts(), [
            (FIELD, victim), (FIELD, self.login)], login="",
            address="127.0.1.1")
        self.want_clean(got)
        self.assertNotIn(b"DKIM-Signature", got)
        for login in (victim, self.login):
            self.want(0, self.used(RELAY, login), f"used of {login}")

    def test_field_that_is_no_name(self):
        for value in ("", "%", "%zz", "a b", "%00x", "x" * 513):
            with self.subTest(value=value[:20]):
                got = self.through(RELAY, self.rcpts(), [(FIELD, value)],
                                   login="", address="127.0.1.2")
                self.want_clean(got)
                self.assertNotIn(b"DKIM-Signature", got)

    def test_program_of_the_panel(self):
        """sendmail(1): the panel knows no login, and says whose host it is;
        it can't take the relay's own accounts for itself."""
        rcpt = self.rcpts()[0]
        ran = PANEL.postfix.sendmail(["-f", self.login, rcpt],
                                     message.compose(self.login), uid=5001)
        self.want(0, ran.returncode, f"sendmail {ran.stdout}")
        got = RELAY.sink.take(rcpt).message
        self.want_clean(got)
        line = PANEL.message_line(from_=self.login)
        self.want_fields(line, class_="local")
        behind = self.line_at_relay(from_=self.login)
        self.want_fields(behind, source="header")
        self.assertTrue(behind["account"].startswith(line["account"]),
                        f"{behind['account']} after {line['account']}")

    def test_mail_from_outside_keeps_its_way(self):
        """Inbound mail with such a field: nobody is charged by it."""
        victim = f"{token()}@{DOMAIN}"
        rcpt = f"{token()}@inbound.example"
        reply = RELAY.send("x@c.example", rcpt, message.compose(
            "x@c.example", headers=[(FIELD, victim)]))
        self.want_reply(reply, 250)
        RELAY.sink.take(rcpt)
        self.want(0, self.used(RELAY, victim), "used of the victim")


class Octets(Case):
    """What a name goes through on its way, octet for octet: no MTA between,
    so that every name is possible."""

    @classmethod
    def setUpClass(cls):
        cls.near = cls.far = None
        try:
            cls.near = Bench("panel", OF_PANEL, keys=())
            cls.far = Bench("central", {**OF_RELAY, **RELAYS.store(
                prefix=token())}, keys=())
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for one in (cls.near, cls.far):
            if one is not None:
                one.stop()

    def story(self):
        return f"{self.near.story()}\n{self.far.story()}"

    def hand_on(self, login, headers=()):
        """Through both; the value of the field between, and the answer."""
        sent = message.compose("x@a.example", headers=headers)
        with self.near.begun() as milter:
            answer = milter.message("x@a.example", "r@out.example", sent,
                                    login)
            self.assertTrue(milter.protocol & LEADING_SPACE)
            self.want_leaves(answer)
            milter.quit()
        between = changed(sent, answer)
        return between, self.far.send(
            "x@a.example", between, "", "r@out.example",
            {"address": "127.0.0.1", "port": 40000})

    def test_every_name_arrives_as_it_was(self):
        word = token()
        for login in (word, f"{word}@b.example", f"{word}%41", f"{word}%",
                      f"{word} x", f"{word}\n", f"{word}\r\nTo: x",
                      f"{word}{{}}*?[]\\", word.encode() + b"\xff\xfe\x01",
                      f"{word}é", word + "y" * 480,
                      word.encode() + b"\xff" * 480,
                      (word + "z" * 512)[:512]):
            with self.subTest(login=login):
                counted = len(self.lines())
                between, answer = self.hand_on(login)
                self.want(1, len(message.values(between, FIELD)), "fields")
                self.want_leaves(answer)
                lines = wait_until(lambda: self.lines()[counted:], "a line")
                near = self.near.postern.lines(event="message")[-1]
                self.want_fields(lines[-1], source="header",
                                 account=near["account"])
                self.want([FIELD.lower()], [
                    name.decode().lower() for name, _, value
                    in answer.changed if value == b""], "fields removed")

    def lines(self):
        return self.far.postern.lines(event="message")

    def test_exactly_one_is_told_whatever_came(self):
        login = token()
        for count in (1, 2, 5):
            with self.subTest(count=count):
                between, answer = self.hand_on(
                    login, [(FIELD, f"victim{n}") for n in range(count)])
                self.want([login], message.values(between, FIELD), "field")
                self.want_leaves(answer)
                self.want_fields(self.far.postern.line(
                    event="message", account=login), source="header")


def changed(sent: bytes, answer) -> bytes:
    """The message after what the milter asked for: removals (each by the
    number among fields of its name, as they are then), then insertions at
    the top."""
    fields, body = message.split(sent)
    for name, index, value in answer.changed:
        if value:
            raise AssertionError(f"changed, not removed: {name!r}")
        same = [number for number, (one, _) in enumerate(fields)
                if one.lower() == name.lower()]
        del fields[same[index - 1]]
    for _, name, value in answer.inserted:
        fields.insert(0, (name, value.replace(b"\n", b"\r\n")))
    return b"".join(name + b":" + value + b"\r\n"
                    for name, value in fields) + b"\r\n" + body
