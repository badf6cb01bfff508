"""Which keys sign: from a directory, OpenDKIM's tables or Redis, beside the
provider's own; by which rules; and never for an account that may not use
them."""

import os
import re
import shutil

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.milterclient import applied
from harness.place import Place, token, wait_until
from harness.redis import Server

PROVIDER = "provider.example"
PLENTY = {("limit", "plenty"): {"key": "account", "count": "messages",
                                "max": 100000, "per": "1d"}}


def tag(field: bytes, name: str) -> str:
    """One tag of a DKIM-Signature's value, without blanks."""
    found = re.search(rf"(?:^|;)\s*{name}\s*=([^;]*)".encode(), field, re.S)
    return re.sub(rb"\s", b"", found.group(1)).decode() if found else ""


class Places(Case):
    """One daemon for each class of tests."""

    KEYS = ("a.example",)

    @classmethod
    def settings(cls) -> dict:
        return {}

    @classmethod
    def prepare(cls) -> None:
        """Before the daemon starts."""

    @classmethod
    def setUpClass(cls):
        cls.bench = Bench("key-places", keys=cls.KEYS, start=False)
        cls.addClassCleanup(cls.bench.stop)
        cls.prepare()
        cls.bench.postern.configure({**PLENTY, **cls.settings()})
        cls.bench.postern.start()

    def story(self):
        return self.bench.story()

    def post(self, login: str, author: str = ""):
        """Send a message; what it looks like afterwards, and its fields."""
        sent = message.compose(author or login)
        answer = self.bench.send(login, sent, login)
        self.want_leaves(answer)
        return applied(sent, answer), [
            value for _, _, value in answer.inserted]

    def want_by(self, login: str, *names: str, author: str = "") -> list:
        """Signed by exactly these, and all of them good."""
        got, fields = self.post(login, author)
        self.want_signed(got, self.bench.keys, *names)
        return fields

    def want_unsigned(self, login: str, why: str, author: str = "") -> None:
        _, fields = self.post(login, author)
        self.want([], fields, "signatures")
        line = self.bench.postern.line(event="message", account=login)
        self.assertIn(why, line["unsigned"])


class Also(Places):
    """also_sign, fallback_domain, and blocks "domain"."""

    KEYS = ("a.example", "odd.example", PROVIDER, "own.example")

    @classmethod
    def settings(cls):
        return {
            "sign": {"also_sign": PROVIDER, "self_check": "100%"},
            ("domain", "odd.example"): {
                "canonicalization": "simple/relaxed", "expire": "7d",
                "headers": ["From", "Subject"]},
            ("class", "submission"): {"expire": "3d"},
        }

    def test_beside_the_authors(self):
        login = f"{token()}@a.example"
        fields = self.want_by(
            login, "a.example/ed", "a.example/rsa", f"{PROVIDER}/ed",
            f"{PROVIDER}/rsa")
        self.want(["a.example"] * 2 + [PROVIDER] * 2,
                  sorted(tag(field, "d") for field in fields), "d=")
        line = self.bench.postern.line(event="message", account=login)
        self.want_fields(line, self_check="good")

    def test_alone(self):
        self.want_by(f"{token()}@keyless.example", f"{PROVIDER}/ed",
                     f"{PROVIDER}/rsa")

    def test_once(self):
        self.want_by(f"{token()}@{PROVIDER}", f"{PROVIDER}/ed",
                     f"{PROVIDER}/rsa")

    def test_never_for_a_foreign_author(self):
        self.want_unsigned(f"{token()}@a.example", "isn't the account's",
                           author="x@own.example")

    def test_a_domains_own_rules(self):
        fields = self.want_by(
            f"{token()}@odd.example", "odd.example/ed", "odd.example/rsa",
            f"{PROVIDER}/ed", f"{PROVIDER}/rsa")
        for field in fields:
            is_odd = tag(field, "d") == "odd.example"
            days = (int(tag(field, "x")) - int(tag(field, "t"))) / 86400
            self.want(("simple/relaxed", 7) if is_odd
                      else ("relaxed/simple", 3), (tag(field, "c"), days),
                      f"rules of {tag(field, 'd')}")
            names = tag(field, "h").lower().split(":")
            self.want(not is_odd, "to" in names, "To in h=")
            self.want(2, names.count("from"), "From in h=")

    def test_a_new_key_is_seen(self):
        domain = f"{token()}.example"
        login = f"{token()}@{domain}"
        self.want_by(login, f"{PROVIDER}/ed", f"{PROVIDER}/rsa")
        self.bench.keys.add(domain, "s1", "ed25519")
        wait_until(lambda: len(self.post(login)[1]) == 3, "the new key")
        self.want_by(login, f"{domain}/s1", f"{PROVIDER}/ed",
                     f"{PROVIDER}/rsa")
        os.unlink(self.bench.keys.file(domain, "s1"))
        wait_until(lambda: len(self.post(login)[1]) == 2, "its end")

    def test_a_damaged_key_is_told(self):
        domain = f"{token()}.example"
        login = f"{token()}@{domain}"
        path = self.bench.keys.add(domain, "s1")
        with open(path, "r+", encoding="ascii") as file:
            text = file.read()
            middle = len(text) // 2
            other = "A" if text[middle] != "A" else "B"
            file.seek(0)
            file.write(text[:middle] + other + text[middle + 1:])
        os.utime(path, (1_000_000_000, 1_000_000_000))
        answer = self.bench.send(login, message.compose(login), login)
        self.want_answer(answer, "reply", "451")
        line = self.bench.postern.line(event="message", account=login)
        self.assertIn(path, line["detail"])


class Tables(Places):
    """OpenDKIM's tables: they say which key, not who may use it."""

    KEYS = ("a.example", "b.example", "dir.example")
    REFILE = True

    @classmethod
    def prepare(cls):
        place, keys = cls.bench.place, cls.bench.keys
        user = cls.bench.postern.user
        cls.away = place.make("opendkim", mode=0o700, uid=user.pw_uid,
                              gid=user.pw_gid)
        for domain in ("a.example", "b.example"):
            shutil.move(keys.file(domain, "rsa"),
                        cls.owned_place(domain, "rsa"))
            shutil.rmtree(os.path.dirname(keys.file(domain, "ed")))
        cls.bench.postern.own(shutil.copy(cls.owned_place("a.example", "rsa"),
                              cls.owned_place("a.example", "copy")))
        cls.bench.postern.own(shutil.copy(cls.owned_place("a.example", "rsa"),
                              cls.owned_place("a.example", "gone")))
        cls.key_table = place.write("opendkim/key.table", f"""\
# name      value
ka  a.example:rsa:{cls.away}/a.example-rsa

kb  b.example:rsa:./b.example-rsa
all %:sel:{cls.away}/%-sel
fixed   %:rsa:{cls.away}/a.example-copy
broken  elsewhere.example:rsa:{cls.away}/a.example-gone
""")
        cls.signing_table = place.write("opendkim/signing.table", """\
*@a.example        ka
*@sub.a.example    ka
*@c.example        kb
*@b.example        kb
*@each.example     all
*@fixed.example    fixed
*@t.example        ka
*@t.example        broken
*@i.example        all:news@%
*@i.example        ka:@%
""")

    @classmethod
    def owned_place(cls, domain: str, selector: str) -> str:
        return os.path.join(cls.away, f"{domain}-{selector}")

    @classmethod
    def settings(cls):
        return {"sign": {"key_table": cls.key_table,
                         "self_check": "100%",
                         "signing_table": f"refile:{cls.signing_table}"}}

    def test_as_the_table_says(self):
        self.want_by(f"{token()}@a.example", "a.example/rsa")

    def test_a_path_beside_the_table(self):
        self.want_by(f"{token()}@b.example", "b.example/rsa")

    def test_the_directory_beside_it(self):
        self.want_by(f"{token()}@dir.example", "dir.example/ed",
                     "dir.example/rsa")

    def test_a_key_of_somebody_else(self):
        """The classic hole of shared servers."""
        self.want_unsigned(f"{token()}@c.example", "isn't for this account")

    def test_a_fault_of_somebody_elses_key(self):
        """That isn't this account's trouble."""
        os.unlink(self.owned_place("a.example", "gone"))
        self.want_unsigned(f"{token()}@t.example", "isn't for this account")

    def test_a_parents_key(self):
        self.want_unsigned(
            f"{token()}@sub.a.example", "isn't for this account")

    def test_percent(self):
        login = f"{token()}@each.example"
        self.bench.keys.add("each.example", "sel", "ed25519")
        path = self.bench.keys.file("each.example", "sel")
        shutil.move(path, self.owned_place("each.example", "sel"))
        self.bench.postern.own(self.owned_place("each.example", "sel"))
        self.want_by(login, "each.example/sel")

    def test_one_key_for_whom_the_table_lists(self):
        """d=% with one file: for nobody else."""
        _, fields = self.post(f"{token()}@fixed.example")
        self.want(["fixed.example"], [tag(one, "d") for one in fields], "d=")
        self.want_unsigned(f"{token()}@unlisted.example", "no key")

    def test_a_signer(self):
        """It becomes i=, if it fits d=; the engines agree on it."""
        self.bench.keys.add("i.example", "sel", "ed25519")
        shutil.move(self.bench.keys.file("i.example", "sel"),
                    self.owned_place("i.example", "sel"))
        self.bench.postern.own(self.owned_place("i.example", "sel"))
        login = f"{token()}@i.example"
        fields = self.want_by(login, "i.example/sel")
        self.want(["news@i.example"], [tag(one, "i") for one in fields], "i=")
        line = self.bench.postern.line(event="message", account=login)
        self.want_fields(line, self_check="good")

    def test_tables_that_change(self):
        domain = f"{token()}.example"
        login = f"{token()}@{domain}"
        self.want_unsigned(login, "no key")
        self.bench.keys.add(domain, "n")
        shutil.move(self.bench.keys.file(domain, "n"),
                    self.owned_place(domain, "n"))
        os.rmdir(os.path.join(self.bench.keys.path, domain))
        for path, line in (
                (self.key_table, f"kn{domain} {domain}:n:./{domain}-n\n"),
                (self.signing_table, f"*@{domain} kn{domain}\n")):
            with open(path, "a", encoding="ascii") as file:
                file.write(line)
        wait_until(lambda: self.post(login)[1], "the tables' new lines")
        self.want_by(login, f"{domain}/n")


class FirstMatch(Places):
    """multiple_signatures = no, as OpenDKIM's default."""

    KEYS = ("a.example", "b.example", PROVIDER)

    @classmethod
    def prepare(cls):
        place, keys = cls.bench.place, cls.bench.keys
        lines = ""
        for domain in ("a.example", "b.example"):
            for selector in ("ed", "rsa"):
                path = cls.bench.postern.own(shutil.move(
                    keys.file(domain, selector),
                    place.at(f"{domain}-{selector}")))
                lines += f"{domain}-{selector} {domain}:{selector}:{path}\n"
            os.rmdir(os.path.join(keys.path, domain))
        cls.key_table = place.write("key.table", lines)
        cls.signing_table = place.write("signing.table", """\
special@a.example  a.example-ed:@%
*@a.example        b.example-rsa
*@a.example        a.example-rsa
*@a.example        a.example-ed
*@*                b.example-ed
""")

    @classmethod
    def settings(cls):
        return {"sign": {"key_table": cls.key_table,
                         "signing_table": f"refile:{cls.signing_table}",
                         "multiple_signatures": "no",
                         "also_sign": PROVIDER}}

    PROVIDERS = (f"{PROVIDER}/ed", f"{PROVIDER}/rsa")

    def test_the_first(self):
        fields = self.want_by("special@a.example", "a.example/ed",
                              *self.PROVIDERS)
        self.want(["", "", "@a.example"],
                  sorted(tag(field, "i") for field in fields), "i=")

    def test_the_first_that_may_sign(self):
        self.want_by(f"{token()}@a.example", "a.example/rsa",
                     *self.PROVIDERS)

    def test_no_entry_of_its_own(self):
        """Nothing of the table may sign: the domain's keys do."""
        self.want_by(f"{token()}@b.example", "b.example/ed", *self.PROVIDERS)
        self.want_by(f"{token()}@c.example", *self.PROVIDERS)


class InRedis(Places):
    """sign.key_map: a hash that all relays share."""

    @classmethod
    def prepare(cls):
        cls.place = Place("key-map")
        cls.addClassCleanup(cls.place.remove)
        cls.redis = Server(cls.place)
        cls.redis.start()
        cls.addClassCleanup(cls.redis.stop)
        cls.password = cls.bench.postern.own(
            cls.place.write("password", cls.redis.password))
        cls.put("a.example", "rsa", "ed")

    @classmethod
    def put(cls, domain: str, *selectors: str) -> None:
        value = ""
        for selector in selectors:
            path = cls.bench.keys.file(domain, selector)
            with open(path, encoding="ascii") as file:
                value += f"{selector} {file.read()}"
            os.unlink(path)
        cls.redis.call("HSET", "dkim", domain, value)

    @classmethod
    def settings(cls):
        return {
            "store": {"backend": "redis", "url": cls.redis.url(),
                      "password_file": cls.password,
                      "path": cls.bench.postern.state},
            "sign": {"key_map": "redis:dkim",
                     "keys": cls.bench.postern.keys_path},
        }

    def test_from_the_hash(self):
        self.want_by(f"{token()}@a.example", "a.example/ed", "a.example/rsa")

    def test_a_change_is_seen(self):
        domain = f"{token()}.example"
        login = f"{token()}@{domain}"
        self.want_unsigned(login, "no key")
        self.bench.keys.add(domain, "s1")
        self.put(domain, "s1")
        wait_until(lambda: self.post(login)[1], "the new key")
        self.want_by(login, f"{domain}/s1")
        self.redis.call("HDEL", "dkim", domain)
        wait_until(lambda: not self.post(login)[1], "its end")

    def test_what_is_no_key_is_told(self):
        domain = f"{token()}.example"
        login = f"{token()}@{domain}"
        self.redis.call("HSET", "dkim", domain, "s1 nonsense")
        answer = self.bench.send(login, message.compose(login), login)
        self.want_answer(answer, "reply", "451")
        line = self.bench.postern.line(event="message", account=login)
        self.assertIn(domain, line["detail"])
        self.assertNotIn("nonsense", line["detail"])


class OtherEngine(Places):
    @classmethod
    def settings(cls):
        return {"sign": {"engine": "opendkim", "self_check": "50%"}}

    def test_signs_the_same(self):
        said = []
        for _ in range(4):
            login = f"{token()}@a.example"
            self.want_by(login, "a.example/ed", "a.example/rsa")
            line = self.bench.postern.line(event="message", account=login)
            said.append(line.get("self_check", "-"))
        self.want(["-", "-", "good", "good"], sorted(said), "self checks")
