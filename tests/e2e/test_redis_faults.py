"""Redis as it fails: killed, standing still, emptied, full, read-only, with
another password, behind a network that cuts, delays and dribbles. Each time:
every message gets its answer, none stays stuck, no more leaves than the manual
says, it is said once, and what was charged meanwhile is added afterwards."""

import os
import shutil
import time

from harness.place import token, wait_until
from harness.proxy import Proxy
from harness.redis import USER
from harness.relaycase import RelayCase
from harness.relays import Load, Relays
from harness.resp import RedisError

RELAYS = None
MOST = 30          # of an account
CONNECTIONS = 3    # of each load to each relay
ANSWERED = 20.0    # seconds; what takes longer is stuck
STILL = 5.0        # seconds that Redis stands still


def setUpModule():
    global RELAYS
    RELAYS = Relays("redis-faults")


def tearDownModule():
    RELAYS.stop()


SETTINGS = {
    ("limit", "mailbox"): {"key": "account", "count": "messages",
                           "max": MOST, "per": "1h", "action": "tempfail"},
    ("limit", "customer"): {"key": "parent", "count": "messages",
                            "max": 1000000, "per": "1d"},
}


class Faults(RelayCase):
    """Each test has daemons of its own: what they say at a fault must be
    theirs alone."""

    MODE = "local"
    RELAYS = 2

    @classmethod
    def relays(cls):
        return RELAYS

    def setUp(self):
        super().setUp()
        self.prefix = token()
        self.proxy = Proxy(RELAYS.redis.socket)
        self.addCleanup(self.proxy.stop)
        self.mine = []
        self.twice = 0  # so many charges may be
        self.addCleanup(self.clear)
        self.domain = f"{token()}.example"

    def clear(self):
        """Make Redis well again, whatever the test has left; then the
        daemons must end well."""
        RELAYS.redis.resume()
        if not RELAYS.redis.is_running():
            RELAYS.redis.restart()
        self.set_password(RELAYS.redis.password)
        RELAYS.set_password(RELAYS.redis.password)
        RELAYS.redis.call("CONFIG", "SET", "maxmemory", 0)
        RELAYS.redis.call("REPLICAOF", "NO", "ONE")
        problems = []
        for bench in self.mine:
            try:
                RELAYS.drop(bench)
            except AssertionError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def relay(self, by_proxy: bool = False, **options):
        """One more daemon of this test's."""
        redis = RELAYS.redis
        url = (redis.url(port=self.proxy.place) if by_proxy
               else redis.unix_url())
        options = {"prefix": self.prefix, "on_failure": self.MODE,
                   "url": url, **options}
        self.mine.append(RELAYS.add(SETTINGS, **options))
        return self.mine[-1]

    def set_password(self, password: str) -> None:
        """Of the daemons' user; who is logged in is thrown out."""
        redis = RELAYS.redis
        redis.call("ACL", "SETUSER", USER, "resetpass", f">{password}")
        try:
            redis.call("CLIENT", "KILL", "USER", USER)
        except RedisError:
            pass  # nobody was

    def want_events(self, event: str, count: int, benches=None) -> None:
        for bench in benches or self.mine:
            self.want(count, len(bench.postern.lines(event=event)),
                      f"lines with event={event}")

    def wait_for(self, event: str) -> None:
        for bench in self.mine:
            bench.postern.line(event=event, seconds=60)

    def charged(self, bench) -> int:
        """What Redis has of the customer that all of this test's many
        accounts belong to."""
        return self.shown(bench, self.domain, "parent")["customer"]["used"]


class Pair:
    """Two loads at once: one account that wants more than it may, and many
    accounts that have room."""

    def __init__(self, benches, domain: str):
        self.domain = domain
        self.greedy = Load(benches, CONNECTIONS, f"greedy@{token()}.example",
                           pause=0.02)
        self.many = Load(benches, CONNECTIONS,
                         lambda: f"{token()}@{domain}", pause=0.01)

    def __enter__(self):
        self.greedy.start()
        self.many.start()
        return self

    def __exit__(self, *_):
        self.greedy.stop()
        self.many.stop()

    def wait_for_more(self, benches, what: str) -> None:
        """Until each relay has answered some more messages."""
        def answered():
            return [[sum(one.bench is bench for one in list(load.sent))
                     for bench in benches]
                    for load in (self.greedy, self.many)]

        before = answered()
        wait_until(lambda: all(
            now >= then + 15 for now_of, then_of in zip(answered(), before)
            for now, then in zip(now_of, then_of)),
            f"messages {what}", 60)


class UnderLoad(Faults):
    """A fault while two relays work."""

    def go_through(self, begin, end, by_proxy: bool = False,
                   is_emptied: bool = False, is_exact: bool = False):
        """is_emptied: Redis forgets what it had. is_exact: what was charged
        is known to the last message, but for twice (else a charge whose
        answer was lost may be counted twice, never not at all)."""
        for _ in range(self.RELAYS):
            self.relay(by_proxy)
        with Pair(self.mine, self.domain) as pair:
            pair.wait_for_more(self.mine, "before the fault")
            before = len(pair.many.left())
            begin()
            self.wait_for("store_away")
            pair.wait_for_more(self.mine, "while Redis is away")
            end()
            self.wait_for("store_up")
            pair.wait_for_more(self.mine, "after the fault")
        for load in (pair.greedy, pair.many):
            self.want_load(load, ANSWERED)
        self.want_events("store_away", 1)
        self.want_events("store_up", 1)
        self.check(pair, before, is_emptied, is_exact)
        self.assertEqual([], [bench for bench in self.mine
                              if not bench.postern.is_running()])

    def check(self, pair, before, is_emptied, is_exact) -> None:
        raise NotImplementedError


class InEachMode:
    """The faults that each mode is tried with."""

    def test_killed_and_back_empty(self):
        self.go_through(RELAYS.redis.kill, RELAYS.redis.start,
                        is_emptied=True)

    def test_standing_still(self):
        """What Redis had done when it was stopped, but not answered yet, is
        added once more; what it finds when it goes on comes too late."""
        begun = []
        self.twice = self.RELAYS * CONNECTIONS

        def begin():
            RELAYS.redis.pause()
            begun.append(time.monotonic())

        def end():
            wait_until(lambda: time.monotonic() > begun[0] + STILL,
                       "the end of its sleep")
            RELAYS.redis.resume()

        self.go_through(begin, end, is_exact=True)

    def test_network_that_swallows(self):
        def begin():
            self.proxy.is_silent = True

        self.go_through(begin, self.proxy.heal, by_proxy=True)


class Local(InEachMode, UnderLoad):
    MODE = "local"

    def check(self, pair, before, is_emptied, is_exact):
        self.want([], [str(one) for one in pair.many.refused()],
                  "refusals of accounts that have room")
        for one in pair.greedy.refused():
            self.want_refused(one.answer, "450 4.7.1", "mailbox")
        left = len(pair.greedy.left())
        bound = MOST * (self.RELAYS + is_emptied)
        self.assertGreaterEqual(left, MOST, "messages of the greedy account")
        self.assertLessEqual(left, bound, "messages of the greedy account")
        left = len(pair.many.left())
        least = left - before - self.RELAYS * CONNECTIONS if is_emptied \
            else left
        wait_until(lambda: self.charged(self.mine[0]) >= least,
                   f"the charges made meanwhile in Redis ({least} in all)")
        if is_exact:
            self.assertIn(self.charged(self.mine[0]) - left,
                          range(self.twice + 1), "charged, beyond what left")

    def test_password_changed(self):
        """The old one is back, or the file has the new one."""
        self.go_through(lambda: self.set_password("other"),
                        lambda: self.set_password(RELAYS.redis.password))

    def test_password_changed_and_told(self):
        self.go_through(lambda: self.set_password("other"),
                        lambda: RELAYS.set_password("other"))
        for bench in self.mine:
            away = bench.postern.line(event="store_away")
            self.assertNotIn(RELAYS.redis.password, str(away))

    def test_memory_full(self):
        self.go_through(
            lambda: RELAYS.redis.call("CONFIG", "SET", "maxmemory", 1),
            lambda: RELAYS.redis.call("CONFIG", "SET", "maxmemory", 0),
            is_exact=True)

    def test_read_only_replica(self):
        self.go_through(
            lambda: RELAYS.redis.call("REPLICAOF", "127.0.0.1", 1),
            lambda: RELAYS.redis.call("REPLICAOF", "NO", "ONE"),
            is_exact=True)

    def test_network_that_cuts_answers(self):
        def begin():
            self.proxy.cut_after = 9

        self.go_through(begin, self.proxy.heal, by_proxy=True)
        self.assertGreater(self.proxy.cuts, 0, "answers cut")

    def test_network_that_delays(self):
        def begin():
            self.proxy.delay = 1.5

        self.go_through(begin, self.proxy.heal, by_proxy=True)

    def test_network_that_dribbles(self):
        """Octets come all the time; a call has a deadline all the same."""
        def begin():
            self.proxy.dribble = 0.1

        self.go_through(begin, self.proxy.heal, by_proxy=True)

    def test_nobody_listens(self):
        def begin():
            self.proxy.refuses = True
            self.proxy.cut()

        self.go_through(begin, self.proxy.heal, by_proxy=True)

    def test_connections_cut_now_and_then(self):
        """A cut that is mended at once need not be a fault; but nothing may
        be lost by it, and all that is said is said in pairs."""
        for _ in range(self.RELAYS):
            self.relay(by_proxy=True)
        with Pair(self.mine, self.domain) as pair:
            for _ in range(5):
                pair.wait_for_more(self.mine, "between cuts")
                self.proxy.cut()
            pair.wait_for_more(self.mine, "after the cuts")
            for bench in self.mine:
                wait_until(lambda: len(bench.postern.lines(
                    event="store_away")) == len(bench.postern.lines(
                        event="store_up")), "Redis again", 60)
        for load in (pair.greedy, pair.many):
            self.want_load(load, ANSWERED)
        self.check(pair, 0, False, False)

    def test_script_flushed(self):
        """No fault at all: the next call brings the script along."""
        for _ in range(self.RELAYS):
            self.relay()
        with Pair(self.mine, self.domain) as pair:
            for _ in range(10):
                RELAYS.redis.call("SCRIPT", "FLUSH")
                pair.wait_for_more(self.mine, "after SCRIPT FLUSH")
        for load in (pair.greedy, pair.many):
            self.want_load(load, ANSWERED)
        self.want_events("store_away", 0)
        self.want(MOST, len(pair.greedy.left()), "of the greedy account")
        self.check(pair, 0, False, True)


class Accept(InEachMode, UnderLoad):
    """What can't be counted leaves, and isn't added afterwards."""

    MODE = "accept"

    def check(self, pair, before, is_emptied, is_exact):
        self.want([], [str(one) for one in pair.many.refused()],
                  "refusals of accounts that have room")
        for one in pair.greedy.refused():
            self.want_refused(one.answer, "450 4.7.1", "mailbox")
        for bench in self.mine:
            uncounted = bench.postern.lines(event="message", action="accept",
                                            reason="store_away")
            self.assertTrue(uncounted, "lines of uncounted messages")
        if is_exact:
            missing = sum(len(bench.postern.lines(
                event="message", action="accept", reason="store_away"))
                for bench in self.mine)
            self.assertGreaterEqual(
                self.charged(self.mine[0]),
                len(pair.many.left()) - missing, "charged")


class Tempfail(InEachMode, UnderLoad):
    """Nothing leaves that can't be counted."""

    MODE = "tempfail"

    def check(self, pair, before, is_emptied, is_exact):
        left = len(pair.greedy.left())
        self.assertLessEqual(left, MOST * (1 + is_emptied),
                             "messages of the greedy account")
        away = [one for one in pair.many.refused()]
        self.assertTrue(away, "refusals while Redis was away")
        for one in away:
            self.want_refused(one.answer, "451 4.")
        for bench in self.mine:
            self.want_fields(bench.postern.line(
                event="message", reason="store_away"), action="tempfail")
        if not is_emptied:
            self.assertGreaterEqual(self.charged(self.mine[0]),
                                    len(pair.many.left()), "charged")


class Record(Faults):
    """One relay, message by message: what its own record does."""

    RELAYS = 1

    def setUp(self):
        super().setUp()
        self.login = f"x@{self.domain}"

    def go_away(self):
        RELAYS.redis.pause()

    def come_back(self):
        RELAYS.redis.resume()
        self.wait_for("store_up")

    def test_holds_the_limit_and_is_added(self):
        relay = self.relay()
        self.want_left(relay, *[1] * 10)
        self.go_away()
        self.want_left(relay, *[1] * (MOST - 10))
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox",
                          str(MOST))
        self.come_back()
        wait_until(lambda: self.charged(relay) == MOST, "all charges")
        self.want_used(MOST, relay, "mailbox")
        other = self.relay()
        self.want_refused(self.send(other), "450 4.7.1", "mailbox")

    def test_share(self):
        relay = self.relay(local_share="50%")
        self.want_left(relay, *[1] * 5)
        self.go_away()
        self.want_left(relay, *[1] * (MOST // 2 - 5))
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox")
        self.come_back()
        self.until_left(relay)

    def test_what_was_given_back_has_room(self):
        """What a later step of ours refuses takes none, away or not."""
        relay = self.relay()
        key = relay.keys.add(self.domain, "ed", "ed25519")
        os.chmod(key, 0o644)
        for is_away in (False, True):
            if is_away:
                self.go_away()
            for _ in range(MOST):
                self.want_refused(self.send(relay), "451 4.7.1", "signed")
        shutil.rmtree(os.path.dirname(key))
        self.until_left(relay)
        self.want_left(relay, *[1] * (MOST - 1))
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox")
        self.come_back()
        wait_until(lambda: self.charged(relay) == MOST, "all charges")

    def test_blocks_and_overrides_hold(self):
        relay = self.relay()
        raised = f"raised@{self.domain}"
        asked = RELAYS.redis.calls("hscan")
        self.ctl(relay, "block", self.login, "--reason", "hacked")
        self.ctl(relay, "limits", "set", raised, "mailbox", "2")
        # The relay learns of them by listing them.
        wait_until(lambda: RELAYS.redis.calls("hscan") > asked,
                   "the overrides to be listed")
        polled = RELAYS.redis.calls("hget") + RELAYS.redis.calls("hmget")
        wait_until(lambda: RELAYS.redis.calls("hget")
                   + RELAYS.redis.calls("hmget") > polled + 4, "two seconds")
        self.go_away()
        self.want_left(relay, 1, login=f"y@{self.domain}")
        self.want_refused(self.send(relay), "550 5.7.1", "hacked")
        self.want_left(relay, 1, 1, login=raised)
        self.want_refused(self.send(relay, login=raised), "450 4.7.1")
        self.come_back()
        self.want_refused(self.send(relay), "550 5.7.1", "hacked")

    def test_emptied(self):
        """Somebody has emptied it: no fault, and one further max at most."""
        relay = self.relay()
        self.want_left(relay, *[1] * MOST)
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox")
        RELAYS.redis.call("FLUSHALL")
        other = self.relay()  # that remembers no refusal
        self.want_left(other, *[1] * MOST)
        self.want_refused(self.send(other), "450 4.7.1", "mailbox")
        self.want_events("store_away", 0)

    def test_record_survives_a_restart_of_the_daemon(self):
        relay = self.relay()
        self.want_left(relay, *[1] * 10)
        self.go_away()
        self.want_left(relay, *[1] * (MOST - 10))
        relay.postern.restart()
        self.wait_for("store_away")
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox")
        self.come_back()

    def test_start_without_redis(self):
        """The daemon starts, says it, enforces, and finds it later."""
        RELAYS.redis.kill()
        relay = self.relay()
        self.wait_for("store_away")
        self.want_left(relay, *[1] * MOST)
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox")
        RELAYS.redis.start()
        self.wait_for("store_up")
        wait_until(lambda: self.charged(relay) == MOST, "all charges")
        self.want_events("store_away", 1)

    def test_start_with_a_wrong_password(self):
        self.set_password("other")
        relay = self.relay()
        line = relay.postern.line(event="store_away")
        self.assertIn(USER, str(line))
        self.want_left(relay, 1)
        for text in (relay.postern.text(), self.ctl(
                relay, "limits", "show", self.login, status=2).err):
            self.assertNotIn(RELAYS.redis.password, text)
        RELAYS.set_password("other")
        self.wait_for("store_up")
        wait_until(lambda: self.charged(relay) == 1, "the charge")

    def test_posternctl_says_that_it_is_away(self):
        relay = self.relay()
        self.go_away()
        for words in (("limits", "show", self.login),
                      ("limits", "reset", self.login), ("top",),
                      ("block", self.login), ("blocked",)):
            with self.subTest(words=words):
                ran = self.ctl(relay, *words, status=75)
                self.assertIn("redis", ran.err.lower())

    def test_refused_one_is_answered_without_redis(self):
        """Who is known to have no room is told so, whatever Redis does."""
        relay = self.relay()
        self.want_left(relay, *[1] * MOST)
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox",
                          stage="eom")
        self.go_away()
        self.want_refused(self.send(relay), "450 4.7.1", "mailbox",
                          stage="mail")
