"""Several servers: a master that changes while messages are judged, a slot of
a cluster that moves while they are. Counts stay exact."""

import time

from harness.place import token, wait_until
from harness.redis import Cluster, Replicated
from harness.relaycase import RelayCase
from harness.relays import Load, Relays

CONNECTIONS = 4
ANSWERED = 30.0  # seconds; what takes longer is stuck
PLENTY = 1000000


def settings(mailbox: int) -> dict:
    return {
        ("limit", "mailbox"): {"key": "account", "count": "messages",
                               "max": mailbox, "per": "1d",
                               "action": "tempfail"},
        ("limit", "customer"): {"key": "parent", "count": "messages",
                                "max": PLENTY, "per": "1d"},
    }


class Nodes(RelayCase):
    KIND = None
    RELAYS = None

    @classmethod
    def relays(cls):
        return cls.RELAYS

    @classmethod
    def setUpClass(cls):
        cls.RELAYS = Relays("redis-nodes", cls.KIND)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.RELAYS.stop()

    def setUp(self):
        super().setUp()
        self.prefix = token()
        self.mine = []
        self.addCleanup(self.clear)

    def clear(self):
        problems = []
        for bench in self.mine:
            try:
                self.RELAYS.drop(bench)
            except AssertionError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def relay(self, mailbox: int = PLENTY, **options):
        options = {"prefix": self.prefix, "timeout": "500ms", **options}
        self.mine.append(self.RELAYS.add(
            settings(mailbox), url=self.RELAYS.redis.url(), **options))
        return self.mine[-1]

    def load(self, pause: float = 0.005):
        return Load(self.mine, CONNECTIONS, self.login, pause=pause)

    def wait_for_more(self, load, count: int = 50) -> None:
        wanted = len(load.sent) + count
        wait_until(lambda: len(load.sent) >= wanted, "more messages", 60)

    def is_full(self, most: int) -> bool:
        return self.used() >= most

    def used(self, name: str = "mailbox") -> int:
        """What Redis says; it may be a moment before it can."""
        def shown():
            ran = self.mine[0].postern.ctl("limits", "show", self.login)
            return ran.returncode != 75

        wait_until(shown, "an answer of posternctl", 30)
        return self.shown(self.mine[0], self.login)[name]["used"]

    def wait_until_up(self) -> None:
        for bench in self.mine:
            wait_until(lambda: len(bench.postern.lines(event="store_away"))
                       == len(bench.postern.lines(event="store_up")),
                       "Redis again", 60)


class Sentinels(Nodes):
    KIND = Replicated

    def setUp(self):
        super().setUp()
        self.addCleanup(self.mend)

    def mend(self):
        """Both servers run, and one follows the other."""
        for server in self.RELAYS.redis.servers:
            server.resume()
            if not server.is_running():
                server.start()
            server.call("CONFIG", "SET", "min-replicas-to-write", 0)
        self.RELAYS.redis.wait_for_replica()

    def be_careful(self):
        """As it is recommended: a master without a replica takes nothing, so
        an old one, whom its replica has left, loses nothing."""
        for server in self.RELAYS.redis.servers:
            server.call("CONFIG", "SET", "min-replicas-to-write", 1)

    def want_counted(self, load, least: int) -> None:
        """In Redis, after all that happened: at least so many, and no more
        than left, but for what was under way."""
        self.want_load(load, ANSWERED)
        self.want([], [str(one) for one in load.refused()], "refusals")
        self.RELAYS.redis.wait_for_replica()
        self.wait_until_up()
        used, lag = self.used(), 2 * CONNECTIONS * len(self.mine)
        self.assertGreaterEqual(used, least - lag, "counted")
        self.assertLessEqual(used, len(load.left()) + lag, "counted")

    def test_failover_by_order_under_load(self):
        """What is charged to the old master after another was chosen is
        lost; it ends when the sentinels say so."""
        for _ in range(2):
            self.relay()
        with self.load() as load:
            self.wait_for_more(load)
            before = len(load.left())
            self.RELAYS.redis.fail_over()
            settled = time.monotonic() + 3
            wait_until(lambda: load.sent[-1].begun > settled + 1,
                       "messages long afterwards", 60)
            self.wait_until_up()
        after = [one for one in load.left() if one.begun > settled]
        self.want_counted(load, before + len(after))

    def test_failover_that_loses_nothing(self):
        for _ in range(2):
            self.relay()
        self.be_careful()
        with self.load() as load:
            self.wait_for_more(load)
            self.RELAYS.redis.fail_over()
            self.wait_for_more(load)
            self.RELAYS.redis.wait_for_replica()
            self.wait_until_up()
            self.wait_for_more(load)
        self.want_counted(load, len(load.left()))

    def test_limit_holds_through_a_failover(self):
        """Relays that refuse what can't be counted, masters that take only
        what they have handed on: exactly so many leave."""
        most = 3000
        for _ in range(2):
            self.relay(most, on_failure="tempfail")
        self.be_careful()
        # So slowly that sentinels which need several orders have done with
        # it before the limit is reached.
        with self.load(pause=0.5) as load:
            self.wait_for_more(load, 30)
            self.RELAYS.redis.fail_over()
            wait_until(load.refused, "one refused meanwhile", 60)
            self.assertLess(len(load.left()), most, "left too early")
            load.pause = 0.005
            wait_until(lambda: len(load.left()) >= most
                       or self.is_full(most), "the limit", 90)
            self.wait_until_up()
        self.want_load(load, ANSWERED)
        self.assertIn("451", load.refused()[0].answer.reply)
        lag = 2 * CONNECTIONS * len(self.mine)
        self.assertLessEqual(len(load.left()), most + lag, "left")
        # What was counted though its answer was lost didn't leave.
        self.assertGreaterEqual(len(load.left()), most - lag, "left")

    def test_master_killed(self):
        for _ in range(2):
            self.relay()
        old = self.RELAYS.redis.master()
        with self.load() as load:
            self.wait_for_more(load)
            old.kill()
            self.wait_for_more(load)
            new = self.RELAYS.redis.wait_for_other(old)
            self.wait_until_up()
            self.wait_for_more(load)
            self.assertIs(new, self.RELAYS.redis.master())
            old.start()
        self.want_counted(load, len(load.left()))

    def test_old_master_that_doesnt_know_it_yet(self):
        """It stood still while another was chosen, and wakes up believing
        that it is the master: what the sentinels say counts."""
        self.relay()
        old = self.RELAYS.redis.master()
        self.want_left(self.mine[0], 1, 1)
        wait_until(lambda: [len(one.keys(f"{{{self.prefix}}}:n/*"))
                            for one in self.RELAYS.redis.servers] == [2, 2],
                   "the replica's copy")
        old.pause()
        new = self.RELAYS.redis.wait_for_other(old)
        self.until_left(self.mine[0])
        self.wait_until_up()
        old.resume()
        self.want_left(self.mine[0], *[1] * 20)
        self.assertIs(old, self.RELAYS.redis.wait_for_replica())
        self.assertIs(new, self.RELAYS.redis.master())
        # Three to have it, and those that left while nobody was master: all
        # in the record, added on return.
        left = len(self.mine[0].postern.lines(
            event="message", account=self.login, action="accept"))
        wait_until(lambda: self.used() >= left, "all charges")

    def test_sentinel_that_is_away(self):
        """The first of the list stands still: the next are asked."""
        sentinel = self.RELAYS.redis.sentinels[0]
        sentinel.pause()
        try:
            self.relay()
            self.want_left(self.mine[0], 1, 1)
            wait_until(lambda: self.used() == 2, "charges in Redis", 60)
        finally:
            sentinel.resume()

    def test_name_that_no_sentinel_knows(self):
        self.mine.append(self.RELAYS.add(
            settings(5), url=self.RELAYS.redis.url(name="nosuch"),
            prefix=self.prefix))
        self.want_left(self.mine[0], *[1] * 5)
        self.assertIn("nosuch", str(self.mine[0].postern.line(
            event="store_away")))


class Slots(Nodes):
    KIND = Cluster

    def move(self, at_half=None):
        cluster = self.RELAYS.redis
        return cluster.move_slot(cluster.slot(f"{{{self.prefix}}}:c"),
                                 at_half)

    def test_exact_while_the_slot_moves(self):
        most = 400
        for _ in range(2):
            self.relay(most, on_failure="tempfail")
        with self.load() as load:
            for _ in range(3):
                self.wait_for_more(load, 30)
                self.move(lambda: self.wait_for_more(load, 10))
            wait_until(lambda: len(load.left()) >= most
                       or self.is_full(most), "the limit", 90)
        self.want_load(load, ANSWERED)
        left, used = len(load.left()), self.used()
        self.assertLessEqual(left, most, "left")
        self.want(used, left, "left, as counted in Redis")

    def test_nothing_refused_while_the_slot_moves(self):
        for _ in range(2):
            self.relay()
        with self.load() as load:
            for _ in range(3):
                self.wait_for_more(load, 30)
                self.move()
            self.wait_for_more(load, 30)
            self.wait_until_up()
        self.want_load(load, ANSWERED)
        self.want([], [str(one) for one in load.refused()], "refusals")
        self.want(len(load.left()), self.used(), "counted")

    def test_everything_works_there(self):
        """Overrides, blocks, resets, lists, new recipients, maps: on the
        node that has them, before and after a move."""
        self.RELAYS.redis.owner(self.RELAYS.redis.slot("logins")).call(
            "HSET", "logins", self.login, "- customer big")
        relay = self.RELAYS.add({
            "accounts": {"map": "redis:logins"},
            ("limit", "few"): {"key": "account", "count": "messages",
                               "max": 2, "per": "1h", "action": "tempfail"},
            ("limit", "new"): {"key": "account", "count": "new_recipients",
                               "max": 100, "per": "1h",
                               "action": "tempfail"},
            ("plan", "big"): {"limits": ["few", "new"]},
        }, url=self.RELAYS.redis.url(), prefix=self.prefix,
            timeout="500ms")
        self.mine.append(relay)
        rcpts = [f"{token()}@out.example" for _ in range(3)]
        self.want_left(relay, rcpts, rcpts)
        for _ in range(2):
            self.want_used(2, relay, "few")
            self.want_used(3, relay, "new")
            self.want_refused(self.send(relay), "450 4.7.1", "few")
            self.ctl(relay, "limits", "set", self.login, "few", "3")
            self.want(3, self.shown(relay, self.login)["few"]["max"], "max")
            self.ctl(relay, "limits", "set", self.login, "few", "default")
            self.assertIn(self.login, self.ctl(relay, "top").out)
            self.ctl(relay, "block", self.login)
            self.assertIn(self.login, self.ctl(relay, "blocked").out)
            self.ctl(relay, "unblock", self.login)
            self.move()
        self.ctl(relay, "limits", "reset", self.login)
        self.until_left(relay)

    def test_node_that_is_gone(self):
        """The first node of the list is dead when the relay starts, but not
        the one that has our slot."""
        cluster = self.RELAYS.redis
        slot = cluster.slot(f"{{{self.prefix}}}:c")
        if cluster.owner(slot) is cluster.servers[0]:
            self.move()
        cluster.servers[0].kill()
        try:
            self.relay()
            self.want_left(self.mine[0], 1, 1)
            wait_until(lambda: self.used() == 2, "charges in Redis", 60)
        finally:
            cluster.servers[0].start()
            wait_until(cluster.is_ready, "the cluster to be whole", 60)
