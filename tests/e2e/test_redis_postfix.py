"""Postfix, postern and a Redis that dies: what was taken arrives, what was
refused doesn't, and nobody waits long."""

import threading
import time

from harness import message
from harness.case import Case
from harness.place import token, wait_until
from harness.relays import Relays
from harness.world import World

RELAYS = None
WORLDS = []
SENDERS = 4
MOST = 25
ANSWERED = 30.0  # seconds; what takes longer is stuck

LIMITS = {
    ("limit", "hourly"): {"key": "account", "count": "recipients",
                          "max": MOST, "per": "1h", "action": "tempfail"},
}


def setUpModule():
    global RELAYS
    RELAYS = Relays("redis-postfix")


def tearDownModule():
    try:
        for world in WORLDS:
            world.stop()
    finally:
        RELAYS.stop()


class Senders:
    """Connections that send message after message, each of an account that
    has room, or all of `login`."""

    def __init__(self, world: World, login: str = ""):
        self.taken, self.refused, self.problems = [], [], []
        self.slowest = 0.0
        self._world = world
        self._login = login
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,),
                                          daemon=True)
                         for n in range(SENDERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                self.problems.append("a connection that is stuck")

    def count(self) -> int:
        return len(self.taken) + len(self.refused)

    def _run(self, number: int) -> None:
        try:
            while not self._is_over.is_set():
                self._send(f"198.18.0.{number + 1}")
        except Exception as error:  # whatever it was, the test must know
            self.problems.append(repr(error))

    def _send(self, address: str) -> None:
        login = self._login or f"x@{token()}.example"
        rcpt = f"{token()}@out.example"
        begun = time.monotonic()
        reply = self._world.send(login, rcpt, message.compose(login), login,
                                 address=address)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        if reply.code == 250:
            self.taken.append(rcpt)
        else:
            self.refused.append((rcpt, reply))


class Deaths(Case):
    MODE = ""

    @classmethod
    def setUpClass(cls):
        cls.world = None
        if cls.MODE:
            cls.world = World(f"dying-{cls.MODE}", {
                **LIMITS, **RELAYS.store(on_failure=cls.MODE,
                                         prefix=token())}, keys=())
            WORLDS.append(cls.world)

    @classmethod
    def tearDownClass(cls):
        if cls.world is not None:
            WORLDS.remove(cls.world)
            cls.world.stop()

    def story(self):
        return f"{self.world.story()}\n{RELAYS.redis.story()}"

    def setUp(self):
        self.addCleanup(self.mend)

    def mend(self):
        RELAYS.redis.resume()
        if not RELAYS.redis.is_running():
            RELAYS.redis.restart()

    def events(self, name: str) -> int:
        return len(self.world.postern.lines(event=name))

    def die_under_load(self, begin, end, login: str = "") -> Senders:
        def more(what: str, count: int = 12) -> None:
            wanted = senders.count() + count
            wait_until(lambda: senders.count() >= wanted
                       or senders.problems, f"messages {what}", 60)

        away, up = self.events("store_away"), self.events("store_up")
        with Senders(self.world, login) as senders:
            more("before")
            begin()
            wait_until(lambda: self.events("store_away") == away + 1,
                       "store_away", 60)
            more("while Redis is dead")
            end()
            wait_until(lambda: self.events("store_up") == up + 1,
                       "store_up", 60)
            more("after")
        self.want([], senders.problems, "connections that broke")
        self.want((away + 1, up + 1), (self.events("store_away"),
                                       self.events("store_up")), "events")
        self.assertLess(senders.slowest, ANSWERED, "the slowest message")
        for rcpt in senders.taken:
            self.world.sink.take(rcpt)
        arrived = [to for one in self.world.sink.all() for to in one.rcpts]
        self.want([], [rcpt for rcpt in senders.taken
                       if arrived.count(rcpt) != 1], "not arrived once")
        self.want([], [rcpt for rcpt, _ in senders.refused
                       if rcpt in arrived], "refused, but arrived")
        return senders

    def ways(self):
        redis = RELAYS.redis
        return (("killed", redis.kill, redis.start),
                ("still", redis.pause, redis.resume))


class Local(Deaths):
    MODE = "local"

    def test_nothing_lost(self):
        for way, begin, end in self.ways():
            with self.subTest(way=way):
                senders = self.die_under_load(begin, end)
                self.want([], [str(reply) for _, reply in senders.refused],
                          "refused")

    def test_limit_holds(self):
        """One relay: its own record and Redis together never let more than
        max leave, but for what an emptied Redis forgot."""
        for way, begin, end in self.ways():
            with self.subTest(way=way):
                senders = self.die_under_load(
                    begin, end, f"greedy@{token()}.example")
                most = MOST * (2 if way == "killed" else 1)
                self.assertLessEqual(len(senders.taken), most, "taken")
                self.assertGreaterEqual(len(senders.taken), MOST, "taken")
                for _, reply in senders.refused:
                    self.want_reply(reply, 450, "4.7.1", "hourly")


class Accept(Deaths):
    MODE = "accept"

    def test_nothing_lost(self):
        for way, begin, end in self.ways():
            with self.subTest(way=way):
                senders = self.die_under_load(begin, end)
                self.want([], [str(reply) for _, reply in senders.refused],
                          "refused")


class Tempfail(Deaths):
    MODE = "tempfail"

    def test_nothing_lost_and_nothing_uncounted(self):
        for way, begin, end in self.ways():
            with self.subTest(way=way):
                senders = self.die_under_load(begin, end)
                self.assertTrue(senders.refused, "refused while it was away")
                for _, reply in senders.refused:
                    self.want(4, reply.code // 100, f"class of {reply}")
