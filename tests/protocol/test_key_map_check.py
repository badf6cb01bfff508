"""Keys in a map are looked at before mail needs them: by postern -t, at the
start, and by posternctl check-domain --all."""

import json

from harness import lmdbmap, message
from harness.bench import Bench
from harness.case import Case
from harness.place import Place, token, wait_until
from harness.redis import Cluster, Server

HASH = "dkim"
MANY = 3000


class Maps(Case):
    """One daemon's configuration for each class of tests; it starts where a
    test asks for it."""

    @classmethod
    def setUpClass(cls):
        cls.bench = Bench("key-map-check", keys=("key.example",), start=False)
        cls.addClassCleanup(cls.bench.stop)
        cls.value = cls.value_of("ed")
        cls.place = Place("key-map-redis")
        cls.addClassCleanup(cls.place.remove)
        cls.prepare()

    @classmethod
    def prepare(cls) -> None:
        """Before the first test."""

    @classmethod
    def value_of(cls, selector: str) -> str:
        path = cls.bench.keys.file("key.example", selector)
        with open(path, encoding="ascii") as file:
            return f"{selector} {file.read()}"

    def story(self):
        return self.bench.story()

    def configure(self, key_map: str, **changes) -> None:
        self.bench.postern.configure({**changes, "sign": {
            "keys": "", "key_map": key_map, **changes.get("sign", {})}})

    def want_good(self) -> None:
        ran = self.bench.postern.check()
        self.want(0, ran.returncode, f"status ({ran.out}{ran.err})")

    def faults(self) -> list:
        """The lines of a postern -t that isn't content, in order."""
        ran = self.bench.postern.check()
        self.want(2, ran.returncode, f"status ({ran.out}{ran.err})")
        return sorted(line for line in ran.err.splitlines()
                      if not line.startswith("warning: "))

    def want_faults(self, *wanted: str) -> None:
        """So many lines, each with this in it; and no piece of a key."""
        got = self.faults()
        self.want(len(wanted), len(got), f"lines of {got}")
        for words, line in zip(sorted(wanted), got):
            self.assertIn(words, line)
            self.assertRegex(line, r"postern\.conf:\d+: ")
            self.assertNotIn("NONSENSE", line)
            self.assertNotIn("BEGIN", line)

    def domains(self, *arguments: str) -> list:
        """What check-domain --all looks at. No name exists in the DNS here,
        so all of it is wrong."""
        ran = self.bench.postern.ctl("check-domain", "--all", "--json",
                                     *arguments)
        self.want(1, ran.returncode, f"status ({ran.err})")
        return [one["domain"] for one in json.loads(ran.out)["domains"]]


class InRedis(Maps):
    @classmethod
    def prepare(cls):
        cls.redis = Server(cls.place)
        cls.redis.start()
        cls.addClassCleanup(cls.redis.stop)
        cls.password = cls.bench.postern.own(
            cls.place.write("password", cls.redis.password))

    def setUp(self):
        self.redis.call("FLUSHALL")
        self.put("a.example", self.value)
        self.put("b.example", self.value_of("rsa"))
        self.configure_redis()

    def put(self, domain: str, value) -> None:
        self.redis.call("HSET", HASH, domain, value)

    def configure_redis(self, **sign) -> None:
        self.configure(
            f"redis:{HASH}",
            store={"backend": "redis", "url": self.redis.url(),
                   "password_file": self.password,
                   "path": self.bench.postern.state}, sign=sign)

    def test_what_is_well(self):
        self.want_good()
        self.redis.call("DEL", HASH)
        self.want_good()

    def test_each_fault_is_told(self):
        self.put("c.example", "s1 NONSENSE")
        self.put("Upper.example", self.value)
        self.put("d.example", "")
        self.put("e.example", b"s1 NONSENSE\0")
        self.put("f.example", "NONSENSE" * 10000)
        self.want_faults(
            f"map redis:{HASH}: c.example: s1: ",
            f"map redis:{HASH}: Upper.example: no domain in lower case",
            f"map redis:{HASH}: d.example: no key in the value",
            f"map redis:{HASH}: e.example: a value with a NUL in it",
            f"map redis:{HASH}: f.example: a value of more than 64 KiB")

    def test_what_is_no_hash_is_told(self):
        self.redis.call("SET", "text", "x")
        self.redis.call("DEL", HASH)
        self.redis.call("RENAME", "text", HASH)
        self.want_faults("WRONGTYPE")

    def test_many(self):
        """Far more than one page of the listing."""
        words = []
        for number in range(MANY):
            words += [f"d{number}.example", self.value]
        self.redis.call("HSET", HASH, *words)
        self.want_good()
        self.put("last.example", "s1 NONSENSE")
        self.want_faults(f"map redis:{HASH}: last.example: s1: ")

    def test_away(self):
        self.redis.stop()
        try:
            self.want_faults("refused")
            ran = self.bench.postern.ctl("check-domain", "--all")
            self.want(75, ran.returncode, f"status ({ran.out})")
            self.assertIn("refused", ran.err)
        finally:
            self.redis.start()
        self.setUp()
        self.want_good()

    def test_a_start_tells_too(self):
        """And serves those whose keys are well."""
        self.put("c.example", "s1 NONSENSE")
        self.bench.postern.start()
        try:
            text = self.bench.postern.text()
            self.assertIn(f"map redis:{HASH}: c.example: s1: ", text)
            login = f"{token()}@a.example"
            wait_until(lambda: self.bench.send(
                login, message.compose(login), login).inserted,
                "a signature")
        finally:
            self.bench.postern.stop()

    def test_check_domain(self):
        self.put("Upper.example", self.value)
        self.want(["a.example", "b.example", "upper.example"],
                  self.domains(), "domains of the map")
        self.configure_redis(keys=self.bench.postern.keys_path)
        self.want(["a.example", "b.example", "key.example",
                   "upper.example"], self.domains(), "with the directory's")

    def test_check_domain_with_the_map_of_a_class(self):
        self.bench.postern.configure({
            "store": {"backend": "redis", "url": self.redis.url(),
                      "password_file": self.password,
                      "path": self.bench.postern.state},
            ("class", "relay"): {"key_map": f"redis:{HASH}"}})
        self.want(["a.example", "b.example", "key.example"], self.domains(),
                  "domains of the class's map and the directory")
        ran = self.bench.postern.ctl("check-domain", "--json", "a.example")
        row, = json.loads(ran.out)["domains"]
        self.want([("a.example", "ed")],
                  [(one["domain"], one["selector"]) for one in row["dkim"]],
                  "the key that the map has")

    def test_check_domain_with_tables(self):
        path = self.bench.keys.file("key.example", "ed")
        key_table = self.bench.postern.own(self.place.write(
            "key.table", f"k t.example:ed:{path}\nl a.example:ed:{path}\n"))
        signing_table = self.bench.postern.own(self.place.write(
            "signing.table", "*@t.example k\n"))
        self.configure_redis(key_table=key_table,
                             signing_table=f"refile:{signing_table}")
        self.want(["a.example", "b.example", "t.example"], self.domains(),
                  "domains of tables and map")


class InCluster(Maps):
    """The hash is at whatever node has its slot."""

    @classmethod
    def prepare(cls):
        cls.cluster = Cluster(cls.place)
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()
        cls.password = cls.bench.postern.own(
            cls.place.write("password", cls.cluster.password))

    def test_whichever_node_has_it(self):
        owners = set()
        names = iter(range(100))
        while len(owners) < 3:
            name = f"keys-{next(names)}"
            owner = self.cluster.owner(self.cluster.slot(name))
            if owner.port in owners:
                continue
            owners.add(owner.port)
            owner.call("HSET", name, "a.example", self.value, "b.example",
                       "s1 NONSENSE")
            self.configure(
                f"redis:{name}",
                store={"backend": "redis", "url": self.cluster.url(),
                       "password_file": self.password,
                       "path": self.bench.postern.state})
            self.want_faults(f"map redis:{name}: b.example: s1: ")
            self.want(["a.example", "b.example"], self.domains(), name)


class InLmdb(Maps):
    def setUp(self):
        self.path = self.place.at(f"{token()}.lmdb")

    def write(self, entries: dict, ending: bytes = b"\0",
              mode: int = 0o600) -> None:
        lmdbmap.write(self.path, entries, ending)
        self.bench.postern.own(self.path, mode)
        self.configure(f"lmdb:{self.path}")

    def test_faults_are_told(self):
        for ending in (b"", b"\0"):
            self.write({"a.example": self.value}, ending)
        self.want_good()
        self.write({"b.example": "s1 NONSENSE", "C.example": self.value})
        self.want_faults(
            f"map lmdb:{self.path}: C.example: no domain in lower case",
            f"map lmdb:{self.path}: b.example: s1: ")
        self.want(["a.example", "b.example", "c.example"], self.domains(),
                  "domains")

    def test_one_that_others_can_read_is_told_once(self):
        self.write({"a.example": "s1 NONSENSE"}, mode=0o604)
        got = self.faults()
        self.want(1, len(got), f"lines of {got}")
        self.assertIn("chmod 640 it", got[0])


class BySocketmap(Maps):
    """Which can only be asked for one domain at a time."""

    def test_that_it_cannot_be_listed(self):
        self.configure("socketmap:inet:127.0.0.1:1:keys")
        self.want_good()
        ran = self.bench.postern.ctl("check-domain", "--all")
        self.want(2, ran.returncode, f"status ({ran.out})")
        self.assertIn("can't be listed", ran.err)
        self.want("", ran.out, "what is printed")

    def test_that_others_are_listed(self):
        self.configure("socketmap:inet:127.0.0.1:1:keys",
                       sign={"keys": self.bench.postern.keys_path})
        ran = self.bench.postern.ctl("check-domain", "--all")
        self.assertIn("key.example", ran.out)
        self.assertIn("warning: key_map: socketmap:inet:127.0.0.1:1:keys "
                      "can't be listed", ran.err)
