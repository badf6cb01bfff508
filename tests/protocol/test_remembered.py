"""Who is refused at MAIL from memory, and who isn't; what holds in classes
that only observe; what is told when a limit comes near."""

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.place import token

HOST = "198.51.100.7"
FIELD = "X-Postern-Account"
HOURLY = {"key": "account", "count": "messages", "max": 3, "per": "1h",
          "action": "tempfail"}
BENCH = None


def setUpModule():
    global BENCH
    BENCH = Bench("remembered", {
        "relay_networks": ["192.0.2.0/24"],
        "trusted_networks": [f"{HOST}/32"],
        "identity_header": FIELD,
        "senders": {"on_mismatch": "reject"},
        ("class", "relay"): {"mode": "enforce"},
        ("class", "local"): {"mode": "enforce"},
        ("limit", "hourly"): {**HOURLY, "warn": "60%"},
        ("limit", "domain"): {**HOURLY, "key": "from_domain", "max": 1000},
        ("limit", "noise"): {**HOURLY, "count": "refusals", "max": 2,
                             "warn": "50%"},
    })


def tearDownModule():
    BENCH.stop()


class Remembered(Case):
    def story(self):
        return BENCH.story()

    def setUp(self):
        self.name = token()

    def send(self, address: str, login: str = "", sender: str = "",
             headers=(), stage: str = ""):
        sender = sender or login or f"{token()}@a.example"
        return BENCH.send(sender, message.compose(
            sender, b"Hello.\r\n", headers), login,
            connection={"address": address})

    def want_reply(self, answer, code: str, stage: str) -> None:
        self.want_answer(answer, "reply", code)
        self.want(stage, answer.stage, "stage of the refusal")

    def handed_on(self, name: str):
        return self.send(HOST, sender=f"{name}@a.example", headers=[
            (FIELD, f"{name}@a.example")])

    def test_host_that_is_over_its_limit_takes_nobody_along(self):
        """What a trusted host says nothing of is charged to the host itself;
        whose mail it names is another's."""
        ctl = BENCH.postern.ctl("limits", "set", f"client:{HOST}", "hourly",
                                "0")
        self.want(0, ctl.returncode, ctl.err)
        self.want_answer(self.send(HOST, sender="x@b.example"), "reply",
                         "550 5.7.1")
        for _ in range(3):
            self.want_leaves(self.handed_on(self.name))
        self.want_reply(self.handed_on(self.name), "450 4.7.1", "eom")
        answer = self.handed_on(self.name)
        self.want_answer(answer, "reply", "450 4.7.1", "hourly")
        self.want_leaves(self.handed_on(token()))

    def test_block_of_the_host_takes_nobody_along(self):
        ctl = BENCH.postern.ctl("block", f"client:{HOST}")
        self.want(0, ctl.returncode, ctl.err)
        self.want_answer(self.send(HOST, sender="x@b.example"), "reply",
                         "550 5.7.1")
        self.want_leaves(self.handed_on(self.name))
        ctl = BENCH.postern.ctl("unblock", f"client:{HOST}")
        self.want(0, ctl.returncode, ctl.err)

    def test_nothing_leaves_where_max_is_0(self):
        """Waiting doesn't help, so it is no 4xx, whoever says it."""
        login = f"{self.name}@a.example"
        ctl = BENCH.postern.ctl("limits", "set", login, "hourly", "0")
        self.want(0, ctl.returncode, ctl.err)
        self.want_reply(self.send("203.0.113.5", login), "550 5.7.1", "eom")
        self.want_answer(self.until_remembered(
            lambda: self.send("203.0.113.5", login)), "reply", "550 5.7.1")

    def test_refusals_warn_too(self):
        login = f"{self.name}@a.example"
        self.want_answer(self.send("203.0.113.5", login,
                                   sender="somebody@b.example"),
                         "reply", "550 5.7.1")
        self.want_fields(BENCH.postern.line(
            event="limit_warn", limit="noise", subject=login),
            used="1", max="2", key="account")

    def test_warns_once(self):
        login = f"{self.name}@a.example"
        for _ in range(3):
            self.want_leaves(self.send("203.0.113.5", login))
        BENCH.postern.line(event="message", account=login)
        lines = BENCH.postern.lines(event="limit_warn", limit="hourly",
                                    subject=login)
        self.want(["2"], [line["used"] for line in lines], "warned at")


class Blocked(Case):
    """A block was asked for: classes that observe refuse it all the same."""

    def story(self):
        return self.bench.story()

    def setUp(self):
        self.bench = None

    def tearDown(self):
        if self.bench is not None:
            self.bench.stop()

    def blocked(self, mode: str):
        self.bench = Bench("blocked", {
            "mode": mode, "relay_networks": ["192.0.2.0/24"],
            "senders": {"owners": "all"}})
        ctl = self.bench.postern.ctl("block", "client:192.0.2.1",
                                     "--reason", "hacked")
        self.want(0, ctl.returncode, ctl.err)
        return self.bench.send(
            "x@a.example", message.compose("x@a.example", b"Hello.\r\n"),
            connection={"address": "192.0.2.1"})

    def test_class_that_observes(self):
        self.want_answer(self.blocked("enforce"), "reply", "550 5.7.1",
                         "client:192.0.2.1", "hacked")

    def test_daemon_that_observes(self):
        self.want_leaves(self.blocked("observe"))
        self.want_fields(self.bench.postern.line(event="message"),
                         reason="blocked", would="reject", action="accept")


class Authors(Case):
    """A limit on From's domain, with a foreign author beside one's own."""

    def story(self):
        return self.bench.story()

    def setUp(self):
        self.bench = Bench("authors", {
            ("limit", "domain"): {**HOURLY, "key": "from_domain"}})

    def tearDown(self):
        self.bench.stop()

    def test_own_domain_counts(self):
        answers = [self.bench.send(
            "x@a.example", message.compose(
                f"x@a.example, y@{token()}.example", b"Hello.\r\n"),
            "x@a.example") for _ in range(4)]
        self.want([True, True, True, False],
                  [answer.ok for answer in answers], "which left")
