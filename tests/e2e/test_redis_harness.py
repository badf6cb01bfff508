"""The servers, the proxy and the client that the tests of Redis rest on, by
themselves: no daemon."""

import time

from harness.case import Case
from harness.place import Place, wait_until
from harness.proxy import Proxy
from harness.redis import USER, Cluster, Replicated, Server
from harness.resp import RedisError, Resp


class Harness(Case):
    make = None

    @classmethod
    def setUpClass(cls):
        cls.place = Place("redis-harness")
        try:
            cls.redis = cls.make(cls.place).start()
        except BaseException:
            cls.place.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.redis.stop()
        cls.place.remove()

    def story(self):
        return self.redis.story()


class OneServer(Harness):
    make = Server

    def test_answers_of_all_kinds(self):
        with self.redis.client() as client:
            client.call("FLUSHALL")
            self.want(b"OK", client.call("SET", "a\r\n", b"\0\xff"), "SET")
            self.want(b"\0\xff", client.call("GET", "a\r\n"), "GET")
            self.want(None, client.call("GET", "none"), "no value")
            self.want(2, client.call("INCRBY", "n", 2), "a number")
            self.want([b"2", None, [1, b""]], client.call(
                "EVAL", "return {'2', false, {1, ''}}", 0), "a list")
            with self.assertRaises(RedisError):
                client.call("NOSUCH")
            self.want(b"PONG", client.call("PING"), "after an error")
        self.want([b"a\r\n", b"n"], self.redis.keys(), "keys")

    def test_users_and_databases(self):
        for place in (self.redis.port, self.redis.socket):
            with self.subTest(place=place):
                with Resp(place, USER, self.redis.password, 3) as client:
                    client.call("SET", "three", 3)
                self.want(b"3", self.redis.call("GET", "three", database=3),
                          "in the database")
                self.want(None, self.redis.call("GET", "three"), "in 0")
                with self.assertRaises(RedisError):
                    Resp(place, USER, "wrong")
                with Resp(place) as client, self.assertRaises(RedisError):
                    client.call("GET", "three")

    def test_counts_calls(self):
        before = self.redis.calls("get")
        for _ in range(3):
            self.redis.call("GET", "x")
        self.want(3, self.redis.calls("get") - before, "calls of GET")
        self.want(self.redis.calls("get"), self.redis.commands()["get"],
                  "the same in the list")

    def test_killed_it_comes_back_empty(self):
        self.redis.call("SET", "x", 1)
        self.redis.kill()
        with self.assertRaises(OSError):
            self.redis.call("PING")
        self.redis.restart()
        self.want(None, self.redis.call("GET", "x"), "after the restart")

    def test_paused_it_answers_late(self):
        with self.redis.client() as client:
            self.redis.pause()
            try:
                client._socket.settimeout(0.3)
                with self.assertRaises(TimeoutError):
                    client.call("PING")
            finally:
                self.redis.resume()
        self.want(b"PONG", self.redis.call("PING"), "answer afterwards")


class Between(Harness):
    make = Server

    def setUp(self):
        self.redis.call("SET", "long", "x" * 1000)
        self.proxy = Proxy(self.redis.socket)
        self.addCleanup(self.proxy.stop)

    def client(self) -> Resp:
        return Resp(self.proxy.place, password=self.redis.secret)

    def test_passes_on(self):
        for proxy in (self.proxy, Proxy(self.redis.port,
                                        self.place.at("proxy.sock"))):
            with Resp(proxy.place, password=self.redis.secret) as client:
                self.want(1000, len(client.call("GET", "long")), "octets")
            self.want(1, proxy.connections, "connections")
            proxy.stop()

    def test_cuts_in_the_middle_of_an_answer(self):
        with self.client() as client:
            self.proxy.cut_after = 500
            with self.assertRaises(ConnectionError):
                client.call("GET", "long")
        self.want(1, self.proxy.cuts, "cuts")

    def test_cuts_across_answers(self):
        self.proxy.cut_after = 5 + 1007 + 10  # +OK, one GET, some of another
        with self.client() as client:
            self.want(1000, len(client.call("GET", "long")), "octets")
            with self.assertRaises(ConnectionError):
                client.call("GET", "long")

    def test_delays_and_dribbles(self):
        with self.client() as client:
            self.proxy.delay = 0.2
            begun = time.monotonic()
            client.call("PING")
            self.assertGreaterEqual(time.monotonic() - begun, 0.19)
            self.proxy.delay, self.proxy.dribble = 0.0, 0.03
            begun = time.monotonic()
            self.want(b"PONG", client.call("PING"), "answer")
            self.assertGreaterEqual(time.monotonic() - begun, 0.15)

    def test_swallows_and_refuses(self):
        with self.client() as client:
            self.proxy.is_silent = True
            client._socket.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                client.call("PING")
        self.proxy.refuses = True
        with self.assertRaises(OSError):
            self.client()
        self.proxy.heal()
        with self.client() as client:
            self.want(b"PONG", client.call("PING"), "healed")
            self.proxy.cut()
            with self.assertRaises(OSError):
                client.call("PING")


class Sentinels(Harness):
    make = Replicated

    def test_another_master(self):
        first = self.redis.master()
        first.call("SET", "kept", 1)
        wait_until(lambda: all(one.call("DBSIZE") for one
                               in self.redis.servers), "the replica's copy")
        second = self.redis.fail_over()
        self.assertIsNot(first, second)
        self.want(b"1", second.call("GET", "kept"), "copied")
        self.assertIs(first, self.redis.wait_for_replica())
        with self.assertRaisesRegex(RedisError, "READONLY"):
            first.call("SET", "x", 1)
        second.kill()
        third = self.redis.wait_for_other(second)
        self.assertIs(first, third)
        third.call("SET", "x", 1)
        second.start()
        self.assertIs(second, self.redis.wait_for_replica())

    def test_sentinel_not_let_run(self):
        """Longer than it allows by itself: it goes on at once."""
        sentinel = self.redis.sentinels[0]
        sentinel.pause()
        time.sleep(3)
        sentinel.resume()
        time.sleep(1)  # its clock is asked ten times a second
        said = sentinel.call("INFO", "sentinel").decode()
        self.assertIn("sentinel_tilt:0", said)


class Slots(Harness):
    make = Cluster

    def test_slot_moves(self):
        slot = self.redis.slot("{postern}:c")
        source = self.redis.owner(slot)
        self.want([source], [one for one in self.redis.servers
                             if one is self.redis.owner(slot)], "owners")
        for number in range(10):
            source.call("SET", f"{{postern}}:{number}", number)
        for other in self.redis.servers:
            if other is not source:
                with self.assertRaisesRegex(RedisError, "MOVED"):
                    other.call("GET", "{postern}:1")
        asked = []

        def at_half():
            for number in range(10):
                try:
                    source.call("GET", f"{{postern}}:{number}")
                    asked.append("here")
                except RedisError as error:
                    asked.append(str(error).split()[0])

        target = self.redis.move_slot(slot, at_half)
        self.want(["ASK"] * 5 + ["here"] * 5, sorted(asked), "half moved")
        self.assertIs(target, self.redis.owner(slot))
        self.want(b"7", target.call("GET", "{postern}:7"), "moved")
        self.want(10, len(self.redis.keys("{postern}:*")), "keys")
        with self.assertRaisesRegex(RedisError, "MOVED"):
            source.call("GET", "{postern}:1")
