"""relays: several daemons on one Redis, as a provider with several relays has
them, and a load of messages on them."""

import os
import threading
import time

from . import message, redis
from .bench import Bench
from .place import Place, token
from .postern import merge, user


class Relays:
    """A Redis of a kind (redis.Server, Replicated or Cluster), and the
    daemons that tests put on it."""

    def __init__(self, name: str, kind=redis.Server, **how):
        self.place = Place(name)
        self.benches = []
        try:
            self.redis = kind(self.place, **how).start()
        except BaseException:
            self.place.remove()
            raise
        self.password_file = self._secret("password", self.redis.password)

    def _secret(self, name: str, text: str) -> str:
        """A file that the daemon alone may read."""
        path = self.place.write(name, text + "\n", mode=0o600)
        os.chown(path, user().pw_uid, user().pw_gid)
        return path

    def set_password(self, text: str) -> None:
        """What the daemons log in with from now on."""
        self._secret("password", text)

    def store(self, url: str = "", **options) -> dict:
        """The section of a daemon's configuration."""
        return {"store": {"backend": "redis", "url": url or self.redis.url(),
                          "password_file": self.password_file, **options}}

    def add(self, settings: dict, url: str = "", keys=(), extra: str = "",
            start: bool = True, **options) -> Bench:
        """One more daemon; options are of its store."""
        bench = Bench("relay", merge(settings, self.store(url, **options)),
                      keys=keys, extra=extra, start=False)
        self.benches.append(bench)
        if start:
            bench.postern.start()
        return bench

    def drop(self, bench: Bench) -> None:
        """One daemon less."""
        self.benches.remove(bench)
        bench.stop()

    def stop(self) -> None:
        """All of it; the first bad end of a daemon is raised."""
        problems = []
        for bench in self.benches:
            try:
                bench.stop()
            except AssertionError as error:
                problems.append(error)
        self.benches = []
        self.redis.stop()
        self.place.remove()
        if problems:
            raise problems[0]

    def story(self) -> str:
        return "\n".join([bench.story() for bench in self.benches]
                         + [self.redis.story()])


class Sent:
    """What came of one message."""

    def __init__(self, bench: Bench, answer, begun: float):
        self.bench = bench
        self.answer = answer
        self.begun = begun  # monotonic time, before MAIL
        self.done = time.monotonic()

    @property
    def left(self) -> bool:
        return self.answer.ok

    @property
    def seconds(self) -> float:
        return self.done - self.begun

    def __str__(self) -> str:
        return f"{self.answer} after {self.seconds:.2f} s"


class Load:
    """Messages of an account over so many connections to each daemon, all at
    once: `each` messages a connection, or as many as can be until stop().
    pause: seconds between the messages of a connection; may be set anew
    meanwhile."""

    def __init__(self, benches, connections: int, login, each: int = 0,
                 rcpts: int = 1, pause: float = 0.0):
        self.sent = []       # of Sent, in the order of the answers
        self.problems = []   # connections that broke
        self._login = login  # or a function that gives one
        self._each = each
        self._rcpts = rcpts
        self.pause = pause
        self._is_over = threading.Event()
        self._together = threading.Barrier(connections * len(benches))
        self._threads = [
            threading.Thread(target=self._run, args=(bench,), daemon=True)
            for bench in benches for _ in range(connections)]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def wait(self, seconds: float = 120.0) -> "Load":
        """Until each connection has sent its messages."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))
            if thread.is_alive():
                raise AssertionError(f"a connection stuck for {seconds:g} s")
        return self

    def stop(self) -> "Load":
        self._is_over.set()
        return self.wait()

    def left(self) -> list:
        return [one for one in list(self.sent) if one.left]

    def refused(self) -> list:
        return [one for one in list(self.sent) if not one.left]

    def slowest(self) -> float:
        return max((one.seconds for one in list(self.sent)), default=0.0)

    def _run(self, bench: Bench) -> None:
        try:
            with bench.begun() as milter:
                self._together.wait(60)
                self._send_all(bench, milter)
                milter.quit()
        except Exception as error:  # whatever it was, the test must know
            self.problems.append(repr(error))
            self._together.abort()

    def _send_all(self, bench: Bench, milter) -> None:
        count = 0
        while not self._is_over.is_set() and (not self._each
                                              or count < self._each):
            count += 1
            login = self._login() if callable(self._login) else self._login
            rcpts = [f"{token()}@out.example" for _ in range(self._rcpts)]
            begun = time.monotonic()
            answer = milter.message(login, rcpts, message.compose(login),
                                    login)
            self.sent.append(Sent(bench, answer, begun))
            if self.pause:
                self._is_over.wait(self.pause)
