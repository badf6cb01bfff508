"""world: a host with postern on it: Postfix, sinks, keys and the daemon, put
up once for a test module."""

import os
import pwd
import re
import unittest

from .keys import Keys
from .place import Place, tail, token
from .postern import Postern
from .postfix import DOMAIN_7BIT, DOMAIN_KEPT, Postfix
from .sink import Sink
from .smtp import Client, Reply, connect_as

CLIENT = "203.0.113.5"      # in nobody's network
RELAYER = "192.0.2.5"       # in Postfix's mynetworks


class World:
    """Everything between a customer and the Internet. settings are those of
    the daemon, or a function that makes them of the Postfix instance (whose
    ports are known only now). main_cf: settings of Postfix."""

    def __init__(self, name: str, settings=None, extra: str = "",
                 keys=(), has_postern: bool = True, **main_cf):
        if os.geteuid() != 0:
            raise unittest.SkipTest("a private Postfix needs root")
        self.place = Place(name)
        self.sink = Sink()
        self.sink7 = Sink(eight_bit=False)
        self.postern = self.keys = None
        main_cf.setdefault("default_action",
                           "tempfail" if has_postern else "accept")
        self.postfix = Postfix(self.place, self.sink.port, self.sink7.port,
                               **main_cf)
        try:
            self._start(settings, extra, keys, has_postern)
        except BaseException:
            self._give_up()
            raise

    def _start(self, settings, extra, keys, has_postern: bool) -> None:
        if callable(settings):
            settings = settings(self.postfix)
        if has_postern:
            owner = pwd.getpwnam("postfix")
            self.postern = Postern(self.place, settings, self.postfix.socket,
                                   extra)
            self.place.make("postfix", "spool", "postern", mode=0o750,
                            uid=self.postern.user.pw_uid, gid=owner.pw_gid)
            self.keys = Keys(self.postern.keys_path,
                             self.postern.user.pw_uid,
                             self.postern.user.pw_gid)
            for domain in keys:
                self.keys.add_both(domain)
            self.postern.start()
        self.postfix.start()

    def _give_up(self) -> None:
        if self.postern is not None:
            self.postern.kill()
        try:
            self.postfix.stop()
        finally:
            self._clear()

    def _clear(self) -> None:
        self.sink.stop()
        self.sink7.stop()
        if not os.environ.get("POSTERN_TEST_KEEP"):
            self.place.remove()

    def stop(self) -> None:
        """Take it down. A bad end of the daemon is a failure."""
        try:
            try:
                self.postfix.stop()
            finally:
                if self.postern is not None:
                    self.postern.stop()
        finally:
            self._clear()

    def client(self, login: str = "", address: str = CLIENT, port: int = 0,
               helo: str = "client.example", plain: bool = False) -> Client:
        """An SMTP connection as login from address. plain: as it is, without
        XCLIENT."""
        client = Client(port or self.postfix.smtp)
        client.ehlo(helo)
        if not plain:
            who = {"login": login} if login else {}
            reply = client.xclient(name="[UNAVAILABLE]", addr=address,
                                   port="40000", **who)
            if reply.code != 220:
                raise AssertionError(f"XCLIENT: wanted 220, got {reply}")
        return client

    def client_as(self, uid: int) -> Client:
        """A loopback connection that belongs to a process of uid."""
        client = Client(0, connection=connect_as(uid, self.postfix.smtp))
        client.ehlo()
        return client

    def send(self, sender: str, rcpts, message: bytes, login: str = "",
             **how):
        """One message over one connection; the deciding reply."""
        params = how.pop("params", "")
        with self.client(login, **how) as client:
            reply = client.send(sender, rcpts, message, params)
            client.quit()
            return reply

    def deliver(self, sender: str, message: bytes, login: str = "",
                domain: str = "out.example", **how) -> bytes:
        """Send a message that must be taken to a recipient of its own, and
        give it back as the sink got it."""
        rcpt = f"{token()}@{domain}"
        how.setdefault("params", "BODY=8BITMIME")
        reply = self.send(sender, rcpt, message, login, **how)
        if reply.code != 250:
            raise AssertionError(f"wanted 250, got {reply}\n{self.story()}")
        sink = self.sink7 if domain in (DOMAIN_7BIT, DOMAIN_KEPT) \
            else self.sink
        return sink.take(rcpt).message

    def message_line(self, **wanted) -> dict:
        """The log line of a message."""
        return self.postern.line(event="message", **wanted)

    def line_of(self, reply: Reply) -> dict:
        """The log line of the message that got this reply: by Postfix's
        queue id if it was taken, by ours if not."""
        queued = re.search(r"queued as (\w+)", reply.words)
        if queued:
            return self.message_line(queue_id=queued.group(1))
        ours = re.search(r"\(([0-9A-Fa-f]{16})\)", reply.words)
        if not ours:
            raise AssertionError(f"no id in {reply}")
        return self.message_line(id=ours.group(1))

    def story(self) -> str:
        """The ends of both logs, for failing tests."""
        ours = (tail(self.postern.log) if self.postern is not None
                else "(no postern)")
        return (f"--- log of postern:\n{ours}\n"
                f"--- log of Postfix:\n{tail(self.postfix.log, 25)}")
