"""Preflight from day to day: other people's slow DNS, limits that hold, From
with many authors, records that are new or wrong, and mail of this host."""

import json
import threading

from harness import message, signed
from harness.bench import Bench
from harness.case import Case
from harness.dns import ScriptedDns, silence
from harness.milterclient import applied
from harness.place import token, wait_until

DNS = BENCH = None

EGRESS, HELO = "192.0.2.10", "mx1.postern.example"
# Keys of HALF are half published, those of LATER not at all at first.
OWN, HALF, LATER = "own.example", "half.example", "later.example"
ELSEWHERE = "elsewhere.example"
LOGIN = f"alice@{OWN}"
PASSES = [["TXT", f"v=spf1 ip4:{EGRESS} -all"]]
FAILS = [["TXT", "v=spf1 -all"]]
LOCAL = {"address": "127.0.0.1", "port": 0}
RSA = "rsa._domainkey."


def dmarc(policy: str) -> list:
    return [["TXT", f"v=DMARC1; p={policy}"]]


def setUpModule():
    global DNS, BENCH
    DNS = ScriptedDns()
    BENCH = Bench("life", settings(), keys=(OWN, HALF, LATER))


def tearDownModule():
    try:
        BENCH.stop()
    finally:
        DNS.stop()


def settings(timeout: str = "5s", **sections) -> dict:
    return {
        **DNS.settings(timeout=timeout),
        "egress": [f"{EGRESS} {HELO}"],
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 100000, "per": "1d"},
        **sections}


def zone(more: dict) -> dict:
    return {
        HELO: [["A", EGRESS], *PASSES],
        "10.2.0.192.in-addr.arpa": [["PTR", HELO]],
        OWN: PASSES, f"_dmarc.{OWN}": dmarc("reject"),
        HALF: FAILS, f"_dmarc.{HALF}": dmarc("reject"),
        **BENCH.keys.zone(OWN, RSA + HALF),
        **more}


class Life(Case):
    """Each test has a domain of its own, and nobody else uses its logins."""

    @staticmethod
    def SETTINGS() -> dict:
        return settings()

    @classmethod
    def setUpClass(cls):
        DNS.heal()
        BENCH.postern.restart(cls.SETTINGS())

    def setUp(self):
        DNS.heal()
        self.domain = f"{token()}.example"
        self.login = f"{token()}@{OWN}"
        self.serve({self.domain: FAILS,
                    f"_dmarc.{self.domain}": dmarc("reject")})

    def tearDown(self):
        problems, DNS.problems = DNS.problems, []
        self.want([], problems, "mistakes of the test's DNS")

    def story(self):
        return f"{BENCH.story()}\n{DNS.story()}"

    def serve(self, names: dict) -> None:
        DNS.put(zone(names))

    def reload(self) -> None:
        ran = BENCH.postern.ctl("reload")
        self.want(0, ran.returncode, f"exit status ({ran.out}{ran.err})")

    def send(self, author: str = "", login: str = "", sender: str = None,
             sent: bytes = b"", connection=None):
        """(answer, log line) of a message From author (or of sent), by the
        test's login unless another is given."""
        login = login or self.login
        before = len(BENCH.postern.lines(event="message"))
        answer = BENCH.send(login if sender is None else sender,
                            sent or message.compose(author or login),
                            "" if connection else login,
                            connection=connection)
        lines = wait_until(
            lambda: BENCH.postern.lines(event="message")[before:],
            "the message's log line")
        return answer, lines[-1]

    def want_sent(self, author: str = "", **how) -> dict:
        wanted = how.pop("fields", {})
        answer, line = self.send(author, **how)
        self.want_leaves(answer)
        self.want(None, answer.quarantine, "on hold")
        self.want_fields(line, action="accept", **wanted)
        return line

    def want_refused(self, author: str = "", *words: str, **how) -> dict:
        wanted = how.pop("fields", {})
        answer, line = self.send(author, **how)
        self.want_answer(answer, "reply", "550 5.7.26", *words)
        self.want(None, answer.quarantine, "on hold")
        self.want_fields(line, action="reject", **wanted)
        return line


class SlowDns(Life):
    """Many wait for somebody's DNS, more than are judged at once."""

    MOST, MANY = 3, 12

    @staticmethod
    def SETTINGS():
        return settings(max_busy=SlowDns.MOST)

    def waiting(self, replies: list) -> list:
        """Threads whose messages all wait for a DNS that is silent. They come
        one after another: of many events at once libmilter at times leaves
        one to whichever of its workers is done next."""
        DNS.behave(self.domain, silence)
        threads = []
        for number in range(self.MANY):
            domain = f"d{number}.{self.domain}"
            threads.append(threading.Thread(
                target=self.post, args=(domain, replies), daemon=True))
            threads[-1].start()
            wait_until(lambda: DNS.asked(domain, below=True),
                       f"a question of message {number}")
        return threads

    def post(self, domain: str, replies: list) -> None:
        try:
            replies.append(str(BENCH.send(
                f"x@{domain}", message.compose(f"x@{domain}"),
                f"x@{self.domain}")))
        except (OSError, AssertionError) as error:
            replies.append(repr(error))

    def want_taken(self, threads: list, replies: list) -> None:
        """All of them in the end, and none for want of a place."""
        for one in threads:
            one.join(60)
        self.want(["eom: accept"] * self.MANY, replies, "replies")
        lines = wait_until(self.judged, "their log lines")
        self.want({("temperror", "accept")},
                  {(one["dmarc"], one["action"]) for one in lines},
                  "what became of them")
        self.want([], BENCH.postern.lines(reason="busy"), "had no place")

    def judged(self) -> list:
        lines = BENCH.postern.lines(event="message",
                                    account=f"x@{self.domain}")
        return lines if len(lines) == self.MANY else []

    def test_what_the_cache_knows_doesnt_wait(self):
        self.want_sent(fields={"dmarc": "pass"})
        DNS.behave(OWN, silence)
        replies = []
        threads = self.waiting(replies)
        line = self.want_sent(fields={"dmarc": "pass"})
        self.want([], replies, "replies before that of another customer")
        self.assertNotIn("reason", line)
        self.want_taken(threads, replies)

    def test_nor_does_what_has_to_be_asked_for(self):
        other = f"{token()}.example"
        self.serve({other: PASSES, f"_dmarc.{other}": dmarc("reject")})
        replies = []
        threads = self.waiting(replies)
        self.want_sent(login=f"x@{other}", fields={"dmarc": "pass"})
        self.want([], replies, "replies before that of another customer")
        self.want_taken(threads, replies)

    def test_places_are_given_back(self):
        replies = []
        self.want_taken(self.waiting(replies), replies)
        status = json.loads(BENCH.postern.ctl("--json", "status").out)
        self.want(0, status["busy"], f"busy in {status}")


class OverTheLimit(Life):
    """A limit holds what is too much: what would be refused anyway is."""

    @staticmethod
    def SETTINGS():
        return {**settings(), ("limit", "plenty"): {
            "key": "account", "count": "messages", "max": 1, "per": "1h",
            "action": "hold"}}

    def exhaust(self, login: str = "") -> None:
        self.want_sent(login=login)

    def want_held(self, *signers: str, **how) -> None:
        """It is held, by the limit, and then has these signatures."""
        login = how.get("login") or self.login
        sent = how.setdefault("sent", message.compose(login))
        answer, line = self.send(**how)
        self.want_leaves(answer)
        self.assertIsNotNone(answer.quarantine, "not on hold")
        self.want_fields(line, action="hold", reason="limit", dmarc="pass")
        self.want_signed(applied(sent, answer), BENCH.keys, *signers)

    def test_spoof_is_refused(self):
        self.exhaust()
        for known in ("nothing", "all"):
            with self.subTest(cached=known):
                self.want_refused(f"ceo@{self.domain}",
                                  f"{self.domain} here", "is reject",
                                  fields={"reason": "unaligned"})
            DNS.behave(self.domain, silence)

    def test_refused_spoof_takes_no_room(self):
        self.want_refused(f"ceo@{self.domain}")
        self.exhaust()

    def test_held_with_the_keys_that_are_published(self):
        login = f"{token()}@{HALF}"
        self.exhaust(login)
        DNS.behave(HALF, silence)
        self.want_held(f"{HALF}/rsa", login=login)
        DNS.heal()
        self.reload()
        self.want_held(f"{HALF}/rsa", login=login)

    def test_own_signatures_arent_repeated(self):
        self.exhaust()
        sent = signed.sign(message.compose(self.login), BENCH.keys, OWN)
        self.want_held(f"{OWN}/ed", f"{OWN}/rsa", sent=sent)
        sent = signed.sign(sent, BENCH.keys, OWN, "ed")
        self.want_held(f"{OWN}/ed", f"{OWN}/rsa", sent=sent)


class ManyAuthors(Life):
    """From names more domains than are looked at (8)."""

    WORDS = "From names more domains than are looked at"

    @staticmethod
    def SETTINGS():
        return settings(senders={"check": ["envelope"]})

    @staticmethod
    def authors(*domains: str) -> str:
        return ", ".join(f"x@{one}" for one in domains)

    @staticmethod
    def below(count: int) -> list:
        """Of our organization: SPF of it is aligned with each."""
        return [f"d{n}.{OWN}" for n in range(count)]

    def test_the_first_is_refused_like_one(self):
        self.want_refused(
            self.authors(self.domain, *self.below(8)),
            f"{self.domain} here", "is reject",
            fields={"dmarc": "fail-reject", "subject": self.domain})

    def test_the_last_that_is_looked_at(self):
        self.want_refused(
            self.authors(*self.below(7), self.domain, f"d8.{OWN}"),
            fields={"dmarc": "fail-reject", "subject": self.domain})

    def test_all_that_are_looked_at_pass(self):
        line = self.want_sent(self.authors(*self.below(8)),
                              fields={"dmarc": "pass"})
        self.assertNotIn("would", line)

    def test_one_domain_may_be_there_often(self):
        self.want_sent(self.authors(*self.below(8), *self.below(8)),
                       fields={"dmarc": "pass"})

    def test_one_more_than_that(self):
        for last in (f"d8.{OWN}", self.domain):
            with self.subTest(last):
                self.want_sent(self.authors(*self.below(8), last), fields={
                    "dmarc": "permerror", "would": "reject",
                    "reason": "no_author", "detail": self.WORDS})


class ManyAuthorsRefused(ManyAuthors):
    """As on_permerror says, whether SPF is known or not."""

    @staticmethod
    def SETTINGS():
        return settings(senders={"check": ["envelope"]},
                        preflight={"on_permerror": "reject"})

    def test_one_more_than_that(self):
        answer, line = self.send(self.authors(*self.below(9)))
        self.want_answer(answer, "reply", "550 5.7.1", self.WORDS)
        self.want_fields(line, dmarc="permerror")

    def test_without_egress(self):
        """What the first eight come to rests on SPF; that there are nine
        doesn't."""
        BENCH.postern.restart({**self.SETTINGS(), "egress": None})
        self.addCleanup(self.setUpClass)
        self.serve({f"_dmarc.{self.domain}": dmarc("none")})
        login = f"x@{self.domain}"
        self.want_sent(login, login=login, fields={
            "dmarc": "fail-none", "would": "reject"})
        answer, line = self.send(self.authors(*(
            f"n{n}.{self.domain}" for n in range(9))), login=login)
        self.want_answer(answer, "reply", "550 5.7.1", self.WORDS)
        self.want_fields(line, dmarc="permerror")


class NewRecords(Life):
    """What was published a moment ago, after somebody had looked."""

    def want_later(self, first: dict, second: dict, before, after) -> None:
        """before() holds while the cache says so, after() from the reload
        on."""
        self.serve(first)
        self.reload()
        before()
        self.serve(second)
        before()
        self.reload()
        after()

    def test_key(self):
        login = f"x@{LATER}"
        there = {LATER: FAILS, f"_dmarc.{LATER}": dmarc("reject")}
        self.want_later(
            there, {**there, **BENCH.keys.zone(LATER)},
            lambda: self.want_refused("", f"{RSA}{LATER}", login=login),
            lambda: self.want_sent(login=login, fields={
                "dmarc": "pass", "dkim": f"{LATER}/ed,{LATER}/rsa"}))

    def test_spf(self):
        login = f"x@{self.domain}"
        policy = {f"_dmarc.{self.domain}": dmarc("reject")}
        self.want_later(
            policy, {**policy, self.domain: PASSES},
            lambda: self.want_refused("", "SPF", login=login,
                                      fields={"spf": "none"}),
            lambda: self.want_sent(login=login, fields={
                "spf": "pass", "dmarc": "pass"}))

    def test_policy(self):
        author = f"x@{self.domain}"
        self.want_later(
            {self.domain: FAILS},
            {self.domain: FAILS, f"_dmarc.{self.domain}": dmarc("reject")},
            lambda: self.want_sent(author, fields={"dmarc": "no-policy"}),
            lambda: self.want_refused(author, fields={
                "dmarc": "fail-reject"}))


class RecordsThatCantBeUsed(Life):
    """Nobody refuses mail for them, but somebody meant them."""

    def want_told(self, records, *words: str) -> None:
        self.serve({self.domain: FAILS, f"_dmarc.{self.domain}": records})
        line = self.want_sent(login=f"x@{self.domain}",
                              fields={"dmarc": "no-policy"})
        self.assertNotIn("would", line)
        for word in (self.domain, *words):
            self.assertIn(word, line.get("findings", "(no findings)"))

    def test_two_records(self):
        self.want_told(dmarc("reject") + dmarc("none"),
                       "has several DMARC records")

    def test_no_semicolon(self):
        self.want_told([["TXT", "v=DMARC1 p=reject"]],
                       "must begin with v=DMARC1;")

    def test_no_record_is_nothing_to_tell(self):
        self.serve({self.domain: FAILS})
        line = self.want_sent(login=f"x@{self.domain}",
                              fields={"dmarc": "no-policy"})
        self.assertNotIn("findings", line)


class OfThisHost(Life):
    """Programs can't be asked to try again, and nobody else gets bounces."""

    ACTION = "tempfail"
    OURS, STRANGERS = f"web@{OWN}", f"x@{ELSEWHERE}"

    @classmethod
    def SETTINGS(cls):
        return {**settings(), ("class", "local"): {
            "mode": "enforce", "on_temperror": cls.ACTION,
            "on_permerror": cls.ACTION, "on_no_policy": cls.ACTION}}

    def cases(self):
        """(From, what is found)"""
        lost = f"lost.{self.domain}"
        self.serve({self.domain: FAILS, lost: FAILS,
                    f"_dmarc.{lost}": ["SERVFAIL"]})
        return ((f"x@{lost}", "temperror"), (None, "permerror"),
                (f"x@{self.domain}", "no-policy"))

    def want_from(self, sender: str, may_refuse: bool) -> None:
        for author, result in self.cases():
            with self.subTest(result, sender=sender):
                answer, line = self.send(
                    sent=message.compose(author), sender=sender,
                    connection=LOCAL)
                self.want_fields(line, class_="local", dmarc=result)
                if may_refuse:
                    self.want_answer(answer, "reply", "55")
                    self.want_fields(line, action="reject")
                    continue
                self.want_leaves(answer)
                self.assertIsNotNone(answer.quarantine, f"{line}")
                self.want_fields(line, action="hold")

    def test_our_envelope(self):
        self.want_from(self.OURS, self.ACTION == "reject")

    def test_strangers_envelope(self):
        self.want_from(self.STRANGERS, False)

    def test_null_sender(self):
        self.want_from("", False)


class OfThisHostRefused(OfThisHost):
    ACTION = "reject"
