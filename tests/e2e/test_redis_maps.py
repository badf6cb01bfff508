"""accounts.map from every source: who a login is, whose customer, under which
plan; kept for a while, and what is known holds while a source can't be
asked."""

from harness import lmdbmap
from harness.place import token, wait_until
from harness.relaycase import RelayCase
from harness.relays import Relays

RELAYS = None


def setUpModule():
    global RELAYS
    RELAYS = Relays("redis-maps")


def tearDownModule():
    RELAYS.stop()


class Maps(RelayCase):
    """Subclasses say where the map is, and how an entry gets there."""

    TTL = "1s"

    @classmethod
    def relays(cls):
        return RELAYS

    @classmethod
    def map(cls) -> str:
        return ""

    @classmethod
    def settings(cls):
        if not cls.map():
            return None
        limit = {"key": "account", "count": "messages", "per": "1h",
                 "action": "tempfail"}
        return {
            "accounts": {"map": cls.map(), "default_plan": "usual",
                         "map_ttl": cls.TTL},
            ("limit", "some"): {**limit, "max": 2},
            ("limit", "many"): {**limit, "max": 6},
            ("limit", "customer"): {**limit, "key": "parent", "max": 8},
            ("plan", "usual"): {"limits": ["some", "customer"]},
            ("plan", "big"): {"limits": ["many", "customer"]},
        }

    @classmethod
    def put(cls, entries: dict) -> None:
        raise NotImplementedError

    def want_room(self, count: int, limit: str, login: str) -> None:
        for number in range(count):
            self.want_leaves(self.send(self.benches[number % 2],
                                       login=login))
        for bench in self.benches:
            self.want_refused(self.send(bench, login=login), "450 4.7.1",
                              limit)


class Sources:
    """The tests of each source."""

    def names(self):
        return [f"{user}@{self.login.partition('@')[2]}"
                for user in ("one", "two", "three")]

    def test_plan_and_parent(self):
        one, two, three = self.names()
        customer = token()
        self.put({one: f"- {customer} big", two: f"- {customer}"})
        self.want_room(6, "many", one)
        self.want_room(2, "some", two)
        # Eight are gone: what the customer has.
        self.want_used(8, self.benches[0], "customer", customer, "parent")
        self.want_room(2, "some", three)

    def test_two_logins_of_one_account(self):
        one, two, _ = self.names()
        account = token()
        self.put({one: account, two: f"{account} - -"})
        self.want_leaves(self.send(self.benches[0], login=one))
        self.want_leaves(self.send(self.benches[1], login=two))
        for login in (one, two):
            self.want_refused(self.send(self.benches[0], login=login),
                              "450 4.7.1", "some")
        self.want_used(2, self.benches[1], "some", account)

    def test_whole_domain(self):
        one, two, _ = self.names()
        self.put({"@" + one.partition("@")[2]: "- - big", two: "- - usual"})
        self.want_room(6, "many", one)
        self.want_room(2, "some", two)

    def test_change_is_seen_without_a_reload(self):
        one = self.names()[0]
        self.want_room(2, "some", one)
        self.put({one: "- - big"})
        for bench in self.benches:
            self.until_left(bench, login=one)

    def test_entry_that_makes_no_sense(self):
        """A plan that isn't there: the default one holds, and it is said."""
        one = self.names()[0]
        self.put({one: "- - nosuchplan"})
        self.want_room(2, "some", one)
        said = wait_until(lambda: [
            line for bench in self.benches
            for line in bench.postern.text().splitlines()
            if "nosuchplan" in line], "a word on it")
        self.assertTrue(said)


class FromRedis(Sources, Maps):
    @classmethod
    def map(cls):
        return "redis:logins"

    @classmethod
    def put(cls, entries):
        for key, value in entries.items():
            RELAYS.redis.call("HSET", "logins", key, value)

    def test_what_is_known_holds_while_redis_is_away(self):
        one = self.names()[0]
        self.put({one: "- - big"})
        bench = self.add(timeout="100ms")
        try:
            self.want_left(bench, 1, 1, 1, login=one)
            RELAYS.redis.pause()
            # Three were more than the default plan lets pass.
            self.want_left(bench, 1, 1, 1, login=one)
        finally:
            RELAYS.redis.resume()
            RELAYS.drop(bench)


class FromLmdb(Sources, Maps):
    ENDING = b"\0"

    @classmethod
    def map(cls):
        return f"lmdb:{cls.path()}"

    @classmethod
    def path(cls):
        return RELAYS.place.at(f"logins-{len(cls.ENDING)}")

    @classmethod
    def setUpClass(cls):
        cls.put({"nobody@b.example": "-"})
        super().setUpClass()

    @classmethod
    def put(cls, entries):
        lmdbmap.write(cls.path() + ".lmdb", entries, cls.ENDING)


class FromLmdbWithoutNul(FromLmdb):
    ENDING = b""
