"""Maps that servers hold: which addresses mail leaves from (egress_map), and
who owns an address (senders.map), as real Postfix and the daemon use them; and
what is done while such a server is away. And who is judged at all: mail that
doesn't stay here."""

import os

from harness import lmdbmap, message, redis
from harness.case import Case
from harness.dns import ScriptedDns
from harness.place import token, wait_until
from harness.postfix import DOMAIN_LONG, HOST
from harness.socketmap import SocketMap
from harness.world import World

DNS = REDIS = SERVER = WORLD = None

EGRESS, HELO = "192.0.2.10", "mx1.postern.example"
OWN = "a.example"
LOGIN, BOB = f"alice@{OWN}", f"bob@{OWN}"
REJECT = [["TXT", "v=DMARC1; p=reject"]]
FAILS = [["TXT", "v=spf1 -all"]]
PASSES = [["TXT", f"v=spf1 ip4:{EGRESS} -all"]]
# Their SPF refuses all addresses, so a refusal tells which one was meant.
REFUSED = ("whole.example", "below.whole.example", "x.below.whole.example",
           "person.example", "other.example")
# One says no HELO: egress has it.
LEAVES = {
    "@whole.example": "192.0.2.21 mx.whole.example",
    "@.whole.example": "192.0.2.22 mx.below.example",
    "one@person.example": EGRESS,
    "transport:long": "192.0.2.24 mx.long.example",
    "*": "192.0.2.25 mx.all.example",
}


def setUpModule():
    global DNS, REDIS, SERVER, WORLD
    DNS = ScriptedDns(zone())
    try:
        WORLD = World("preflight-maps", settings(), keys=(OWN,))
        SERVER = SocketMap(os.path.join(WORLD.postern.run, "maps.sock"))
        REDIS = redis.Server(WORLD.place).start()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    for one in (REDIS, SERVER):
        if one is not None:
            one.stop()
    try:
        if WORLD is not None:
            WORLD.stop()
    finally:
        DNS.stop()


def zone() -> dict:
    names = {HELO: [["A", EGRESS], *PASSES],
             "10.2.0.192.in-addr.arpa": [["PTR", HELO]],
             OWN: PASSES, "shared.example": PASSES}
    names.update({name: FAILS for name in REFUSED})
    names.update({f"_dmarc.{name}": REJECT
                  for name in (OWN, "shared.example", *REFUSED)})
    return names


def settings(**sections) -> dict:
    return {
        **DNS.settings(),
        "egress": [f"{EGRESS} {HELO}"],
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 100000, "per": "1d"},
        **sections}


class Maps(Case):
    def story(self):
        return f"{WORLD.story()}\n{DNS.story()}"

    def reload(self) -> None:
        ran = WORLD.postern.ctl("reload")
        self.want(0, ran.returncode, f"exit status ({ran.out}{ran.err})")

    def post(self, login: str, sender: str = None, domain: str = "out.example",
             author: str = ""):
        """(reply, log line)"""
        sender = login if sender is None else sender
        reply = WORLD.send(sender, f"{token()}@{domain}",
                           message.compose(author or sender or login), login)
        return reply, WORLD.line_of(reply)

    def want_sent(self, login: str, sender: str = None, **fields) -> dict:
        reply, line = self.post(login, sender)
        self.want_reply(reply, 250)
        self.want_fields(line, action="accept", **fields)
        return line


class EgressMap(Maps):
    """Subclasses say where it is, and how an entry gets there."""

    @classmethod
    def map(cls) -> str:
        raise NotImplementedError

    @classmethod
    def put(cls, entries: dict) -> None:
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        if cls is EgressMap:
            return
        cls.put(LEAVES)
        WORLD.postern.restart({
            **settings(), "egress_map": cls.map(),
            "accounts": {"map_ttl": "1h"},
            "store": {"url": REDIS.unix_url(),
                      "password_file": cls.password_file()}})

    @staticmethod
    def password_file() -> str:
        path = WORLD.place.write("password", REDIS.password, mode=0o600)
        os.chown(path, WORLD.postern.user.pw_uid, -1)
        return path

    def want_from(self, address: str, login: str, **how) -> None:
        """It would leave from this address."""
        reply, line = self.post(login, **how)
        self.want_reply(reply, 550, "5.7.26",
                        f"doesn't include {address}")
        self.want_fields(line, spf="fail", dmarc="fail-reject")
        self.assertNotIn("map_fault", line)


class Sources:
    """The tests of each source."""

    def test_each_kind_of_key(self):
        for sender, address in (
                ("x@whole.example", "192.0.2.21"),
                ("x@below.whole.example", "192.0.2.22"),
                ("x@x.below.whole.example", "192.0.2.22"),
                ("one@person.example", EGRESS),
                ("One@Person.example", EGRESS),
                ("two@person.example", "192.0.2.25"),
                ("x@other.example", "192.0.2.25")):
            with self.subTest(sender):
                self.want_from(address, sender)

    def test_transport_as_postfix_names_it(self):
        self.want_from("192.0.2.24", "x@whole.example", domain=DOMAIN_LONG)
        self.want_from("192.0.2.24", "x@other.example", domain=DOMAIN_LONG)

    def test_two_transports_are_none(self):
        login = "x@whole.example"
        reply = WORLD.send(login, [f"{token()}@out.example",
                                   f"{token()}@{DOMAIN_LONG}"],
                           message.compose(login), login)
        self.want_reply(reply, 550, "5.7.26", "include 192.0.2.21")

    def test_null_sender_leaves_as_all_do(self):
        """And what is said there is the map's."""
        reply, line = self.post("x@other.example", sender="")
        self.want_reply(reply, 550, "5.7.26", "mx.all.example")
        self.want_fields(line, spf="none")

    def test_new_entry_counts_from_a_reload_on(self):
        """Mail that Postfix relays goes by its transport "smtp"."""
        self.want_from("192.0.2.21", "x@whole.example")
        self.put({"transport:smtp": "192.0.2.26 mx.smtp.example"})
        try:
            self.reload()
            self.want_from("192.0.2.26", "x@whole.example")
            self.want_from("192.0.2.24", "x@whole.example",
                           domain=DOMAIN_LONG)
        finally:
            self.put({"transport:smtp": None})
            self.reload()


class FromSocketmap(Sources, EgressMap):
    @classmethod
    def setUpClass(cls):
        SERVER.start()
        cls.addClassCleanup(SERVER.stop)
        super().setUpClass()

    @classmethod
    def map(cls):
        return SERVER.map("egress")

    @classmethod
    def put(cls, entries):
        there = {**SERVER.maps.get("egress", {}), **entries}
        SERVER.maps["egress"] = {key: value for key, value in there.items()
                                 if value is not None}


class FromRedis(Sources, EgressMap):
    @classmethod
    def map(cls):
        return "redis:egress"

    @classmethod
    def put(cls, entries):
        for key, value in entries.items():
            if value is None:
                REDIS.call("HDEL", "egress", key)
            else:
                REDIS.call("HSET", "egress", key, value)


class FromLmdb(Sources, EgressMap):
    """Made anew with each change and put in its place, as postmap(1) is
    best used."""

    entries: dict = {}

    @classmethod
    def map(cls):
        return f"lmdb:{WORLD.place.at('egress')}"

    @classmethod
    def put(cls, entries):
        cls.entries = {key: value for key, value
                       in {**cls.entries, **entries}.items()
                       if value is not None}
        made = WORLD.place.at(f"{token()}.lmdb")
        lmdbmap.write(made, cls.entries)
        os.chmod(made, 0o644)
        os.replace(made, WORLD.place.at("egress.lmdb"))


class Sender(Maps):
    """senders.map of a server. What is sent by whom it doesn't name is
    refused; SETTINGS() are those of the class's daemon."""

    SENDERS = {"@shared.example": f"{BOB}, carol@{OWN}",
               "@.shared.example": BOB, "one@other.example": BOB}

    @staticmethod
    def SETTINGS() -> dict:
        return {**settings(),
                "senders": {"owners": "map", "map": SERVER.map("senders"),
                            "on_mismatch": "reject"},
                "accounts": {"map_ttl": "1h"},
                # Who owns an address is the question here.
                "preflight": {"on_fail_reject": "accept"},
                ("class", "local"): {"mode": "enforce"}}

    def setUp(self):
        SERVER.maps["senders"] = self.SENDERS
        SERVER.start()
        self.addCleanup(SERVER.stop)
        WORLD.postern.restart(self.SETTINGS())
        self.addCleanup(setattr, SERVER, "trouble", "")

    def want_answer_of(self, code: int, login: str, sender: str, status="",
                       **fields) -> dict:
        reply, line = self.post(login, sender)
        self.want_reply(reply, code, status)
        self.want_fields(line, **fields)
        return line

    def until_sent(self, login: str, sender: str) -> None:
        """A server that was away is tried again after a moment."""
        last = []

        def is_sent() -> bool:
            last[:] = [self.post(login, sender)]
            return last[0][0].ok

        try:
            wait_until(is_sent, "a message that is taken", 30)
        except TimeoutError as error:
            self.fail(f"{error}; the last answer: {last[0][0]}")
        self.assertNotIn("map_fault", last[0][1])


class SenderMap(Sender):
    def test_each_kind_of_key(self):
        for login, sender, code in (
                (BOB, "x@shared.example", 250),
                (f"carol@{OWN}", "X@Shared.example", 250),
                (BOB, "x@below.shared.example", 250),
                (f"carol@{OWN}", "x@below.shared.example", 550),
                (BOB, "one+tag@other.example", 250),
                (BOB, "two@other.example", 550),
                (LOGIN, "x@shared.example", 550),
                (LOGIN, LOGIN, 250)):
            with self.subTest(login=login, sender=sender):
                self.want_answer_of(
                    code, login, sender, "" if code == 250 else "5.7.1",
                    action="accept" if code == 250 else "reject")

    def test_away_and_nothing_known(self):
        SERVER.stop()
        line = self.want_answer_of(451, BOB, "x@shared.example",
                                   action="tempfail", reason="map_away")
        self.assertIn("maps.sock", line["detail"])
        SERVER.start()
        self.until_sent(BOB, "x@shared.example")
        self.want_answer_of(550, LOGIN, "x@shared.example",
                            reason="envelope_mismatch")

    def test_own_addresses_need_no_map(self):
        SERVER.stop()
        self.want_answer_of(250, LOGIN, LOGIN, reason="map_away")

    def test_away_and_the_answer_is_known(self):
        self.want_answer_of(250, BOB, "x@shared.example")
        SERVER.stop()
        line = self.want_answer_of(250, BOB, "x@shared.example")
        self.assertNotIn("reason", line)

    def test_server_that_has_trouble_itself(self):
        SERVER.trouble = "TEMP the database is away"
        line = self.want_answer_of(451, BOB, "x@shared.example",
                                   reason="map_away")
        self.assertIn("the database is away", line["detail"])
        SERVER.trouble = ""
        self.until_sent(BOB, "x@shared.example")

    def test_of_this_host_it_is_held(self):
        SERVER.stop()
        rcpt = f"{token()}@out.example"
        ran = WORLD.postfix.sendmail(
            ["-i", "-f", "x@shared.example", rcpt],
            message.compose("x@shared.example"), 5001)
        self.want(0, ran.returncode, f"exit status of sendmail "
                  f"({ran.stdout!r})")
        held = wait_until(lambda: WORLD.postfix.held(rcpt),
                          "the message on hold", 40)
        self.want_fields(
            WORLD.message_line(queue_id=held[0]["queue_id"]),
            class_="local", action="hold", reason="map_away")


class EgressMapAway(Sender):
    @staticmethod
    def SETTINGS():
        return {**settings(), "egress_map": SERVER.map("egress"),
                "accounts": {"map_ttl": "1h"}}

    def setUp(self):
        SERVER.maps["egress"] = LEAVES
        super().setUp()

    def want_logged(self, *words: str) -> None:
        """SPF is unknown, and nothing is refused that rests on it."""
        login = "x@other.example"
        line = self.want_sent(login, would="reject", reason="unaligned",
                              dmarc="fail-reject")
        self.assertNotIn("spf", line)
        for word in ("egress_map: ", *words):
            self.assertIn(word, line.get("map_fault", "(no map_fault)"))

    def want_known(self) -> None:
        def is_known() -> bool:
            reply, _ = self.post("x@other.example")
            return "include 192.0.2.25" in reply.words

        wait_until(is_known, "a refusal by what the map says", 30)

    def test_away(self):
        SERVER.stop()
        self.want_logged("maps.sock")
        SERVER.start()
        self.want_known()

    def test_server_that_has_trouble_itself(self):
        SERVER.trouble = "TEMP the database is away"
        self.want_logged("the database is away")
        SERVER.trouble = ""
        self.want_known()

    def test_value_that_makes_no_sense(self):
        SERVER.maps["egress"] = {"*": "192.0.2.300 mx.all.example"}
        self.want_logged("192.0.2.300")

    def test_what_doesnt_rest_on_spf_is_refused(self):
        """Of whatever address it is: the envelope is of another domain."""
        SERVER.stop()
        reply, line = self.post(LOGIN, author="ceo@other.example")
        self.want_reply(reply, 550, "5.7.26", "SPF is of a.example")
        self.assertIn("map_fault", line)


class WhoIsJudged(Maps):
    """As Postfix tells where each recipient's mail goes."""

    @classmethod
    def setUpClass(cls):
        WORLD.postern.restart(settings())

    def setUp(self):
        self.domain = f"{token()}.example"
        DNS.put({**zone(), self.domain: FAILS,
                 f"_dmarc.{self.domain}": REJECT})
        self.addCleanup(DNS.put, zone())
        self.login = f"x@{self.domain}"

    def send(self, *rcpts):
        return WORLD.send(self.login, list(rcpts),
                          message.compose(self.login), self.login)

    def test_mail_that_stays_here_is_not(self):
        reply = self.send(f"one@{HOST}", f"two@{HOST}")
        self.want_reply(reply, 250)
        line = WORLD.line_of(reply)
        self.want_fields(line, action="accept", rcpts=2)
        for name in ("spf", "dmarc", "would"):
            self.assertNotIn(name, line)
        self.want(0, DNS.asked(self.domain, below=True), "questions")

    def test_mail_that_doesnt_is(self):
        for rcpts in ((f"{token()}@out.example",),
                      (f"one@{HOST}", f"{token()}@out.example"),
                      (f"{token()}@{DOMAIN_LONG}", f"one@{HOST}")):
            with self.subTest(rcpts):
                reply = self.send(*rcpts)
                self.want_reply(reply, 550, "5.7.26", self.domain)
        self.assertGreater(DNS.asked(self.domain, below=True), 0)
