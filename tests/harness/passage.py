"""passage: many messages sent through Postfix one after the other, and those
that arrived, with what the two verifiers say of the signatures on top."""

import collections
import concurrent.futures

from . import dkimcheck
from .corpus_mail import PERL, PYTHON, Mail
from .place import token, wait_until
from .world import World

_SECONDS = 120.0
_LANES = 4


class Arrived:
    """One message at the sink, and the signatures that were put on it."""

    def __init__(self, octets: bytes, above: int):
        self.octets = octets
        self.added = dkimcheck.on_top(octets, above)
        self.words = {}  # verifier -> a word for each of added

    @property
    def signers(self) -> list:
        return sorted(dkimcheck.title(one) for one in self.added)


class Passage:
    """replies: name -> the deciding reply. arrived: name -> Arrived. domain:
    of the recipients, which says which way they go to which sink. behind: the
    Postfix instances between the one that signs and the sink."""

    def __init__(self, world: World, mails: list, sink,
                 domain: str = "out.example", behind=()):
        self.world = world
        self.mails = {one.name: one for one in mails}
        self.replies = {}
        self.arrived = {}
        self._sink = sink
        self._behind = behind
        word = token()
        self._rcpts = {one.name: f"{word}-{number}@{domain}"
                       for number, one in enumerate(mails)}
        self._send()
        self._collect()
        self._verify()

    def _send(self) -> None:
        """Some connections at once, each of one login."""
        logins = collections.defaultdict(list)
        for one in self.mails.values():
            logins[one.login].append(one)
        lanes = [(login, mails[first::_LANES]) for login, mails
                 in logins.items() for first in range(_LANES)]
        with concurrent.futures.ThreadPoolExecutor(_LANES) as pool:
            for _ in pool.map(self._send_lane, *zip(*lanes)):
                pass

    def _send_lane(self, login: str, mails: list) -> None:
        if not mails:
            return
        with self.world.client(login) as client:
            for one in mails:
                self.replies[one.name] = self._send_one(client, one)
            client.quit()

    def _send_one(self, client, one: Mail):
        reply = client.mail(one.sender, one.params)
        for rcpt in (self._rcpts[one.name], *one.rcpts):
            if reply.ok:
                reply = client.rcpt(rcpt)
        if reply.ok:
            give = client.bdat if one.is_chunked else client.data
            reply = give(one.octets)
        if not reply.ok:
            client.cmd("RSET")
        return reply

    def _collect(self) -> None:
        """Wait for all that was taken. What doesn't come is left out: the
        tests say which."""
        names = {rcpt: name for name, rcpt in self._rcpts.items()
                 if self.replies[name].ok}

        def have_come() -> bool:
            for one in self._sink.all():
                for rcpt in one.rcpts:
                    if rcpt in names:
                        self.arrived[names[rcpt]] = one.message
            return len(self.arrived) == len(names)

        try:
            wait_until(lambda: have_come() or not self._has_way(),
                       "the messages at the sink", _SECONDS)
        except TimeoutError:
            pass
        have_come()
        self.arrived = {name: Arrived(octets, len(self._behind))
                        for name, octets in self.arrived.items()}

    def _has_way(self) -> bool:
        """Is anything still under way? In the order that it goes."""
        return any(one["queue_name"] in ("incoming", "active", "maildrop")
                   for postfix in (self.world.postfix, *self._behind)
                   for one in postfix.queue())

    def _verify(self) -> None:
        """Both at once: they are two programs, and so take two cores."""
        signed = [one for one in self.arrived.values() if one.added]
        records = self.world.keys.records
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            perl = pool.submit(self._ask_perl, signed, records)
            for one in signed:
                one.words[PYTHON] = dkimcheck.python_words(
                    one.octets, records, len(one.added))
            perl.result()

    @staticmethod
    def _ask_perl(signed: list, records: dict) -> None:
        said = dkimcheck.perl_words([one.octets for one in signed], records)
        for one, lines in zip(signed, said):
            words = {signature: word for _, signature, word in lines}
            one.words[PERL] = [words.get(tags.get("b"), "didn't read it")
                               for tags in one.added]
