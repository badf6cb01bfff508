"""relaycase: a test case of several daemons on one Redis."""

import itertools
import json

from . import message
from .case import Case
from .place import token, wait_until


class RelayCase(Case):
    """relays() gives the module's Relays. A class whose tests need daemons of
    their own says so by SETTINGS (or settings()), and gets COUNT of them under
    a prefix of its own, which its tests share."""

    SETTINGS = None
    COUNT = 2
    STORE = {}
    KEYS = ()

    _numbers = itertools.count(1)

    @classmethod
    def relays(cls):
        raise NotImplementedError

    @classmethod
    def settings(cls) -> dict:
        return cls.SETTINGS

    @classmethod
    def url(cls) -> str:
        return cls.relays().redis.unix_url()

    @classmethod
    def setUpClass(cls):
        cls.prefix = token()
        cls.benches = []
        if cls.settings() is not None:
            for _ in range(cls.COUNT):
                cls.benches.append(cls.add())

    @classmethod
    def add(cls, settings=None, **options):
        """One more daemon of this class's."""
        options = {"prefix": cls.prefix, "url": cls.url(), "keys": cls.KEYS,
                   **cls.STORE, **options}
        return cls.relays().add(settings or cls.settings(), **options)

    @classmethod
    def tearDownClass(cls):
        problems = []
        for bench in cls.benches:
            try:
                cls.relays().drop(bench)
            except AssertionError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def story(self):
        return self.relays().story()

    def setUp(self):
        """An account and an address that nobody has used."""
        self.login = f"x@{token()}.example"
        number = next(self._numbers)
        self.address = f"198.51.{100 + number // 250}.{number % 250}"

    def send(self, bench, rcpts=1, login=None, author=None, sender=None,
             address: str = "", body: bytes = b"Hello.\r\n", headers=()):
        """One message; its deciding answer. rcpts: how many, or which."""
        login = self.login if login is None else login
        author = author or login
        if isinstance(rcpts, int):
            rcpts = [f"{token()}@out.example" for _ in range(rcpts)]
        return bench.send(
            author if sender is None else sender,
            message.compose(author, body, headers), login, rcpts,
            {"address": address or self.address})

    def want_left(self, bench, *rcpts, **how) -> None:
        """Messages to so many recipients each that all leave."""
        for one in rcpts:
            self.want_leaves(self.send(bench, one, **how))

    def want_refused(self, answer, code: str, *words, stage: str = ""):
        """A refusal with this code, and at this stage if one is given."""
        self.want_answer(answer, "reply", code, *words)
        if stage:
            self.want(stage, answer.stage, "stage of the refusal")

    def ctl(self, bench, *arguments, status: int = 0):
        """posternctl on a relay; it must end with status."""
        ran = bench.postern.ctl(*arguments)
        if ran.returncode != status:
            self.fail(f"posternctl {' '.join(map(repr, arguments))}: wanted "
                      f"exit status {status}, got {ran.returncode}\n"
                      f"{ran.out}{ran.err}")
        return ran

    def shown(self, bench, name: str, key: str = "account") -> dict:
        """What `limits show` says: limit -> its object."""
        words = ["limits", "show", *([name] if name else []), "--key", key]
        got = json.loads(self.ctl(bench, "--json", *words).out)
        return {one["limit"]: one for one in got["limits"]}

    def want_used(self, used: int, bench, limit: str, name: str = "",
                  key: str = "account") -> None:
        name = name or (self.login if key == "account" else "")
        shown = self.shown(bench, name, key)
        self.assertIn(limit, shown, "limits shown")
        self.want(used, shown[limit]["used"], f"used of {limit} by {name!r}")

    def want_load(self, load, seconds: float = 60.0) -> None:
        """No connection broke, none waited long."""
        self.want([], load.problems, "connections that broke")
        self.assertLess(load.slowest(), seconds, "the slowest message")

    def until_left(self, bench, **how) -> None:
        """Wait until a message leaves."""
        last = []

        def leaves() -> bool:
            last[:] = [self.send(bench, **how)]
            return last[0].ok

        try:
            wait_until(leaves, "a message that leaves", 30)
        except TimeoutError as error:
            self.fail(f"{error}; the last answer: {last[0]}")

    def until_refused(self, bench, *words, **how):
        """Wait until one is refused, with these words; the answer."""
        last = []

        def is_refused() -> bool:
            last[:] = [self.send(bench, **how)]
            return not last[0].ok and all(word in last[0].reply
                                          for word in words)

        try:
            wait_until(is_refused, "a message that is refused", 30)
        except TimeoutError as error:
            self.fail(f"{error} with {words}; the last answer: {last[0]}")
        return last[0]

    def events(self, benches, event: str, **wanted) -> list:
        """Log lines of an event, of all of these daemons."""
        return [line for bench in benches
                for line in bench.postern.lines(event=event, **wanted)]
