"""The corpus: every message that may be signed arrives signed, two verifiers
find its signatures good, and none is signed for somebody whose it isn't."""

import re

from harness import corpus, dkimcheck, message
from harness.case import Case
from harness.corpus_mail import PERL, PYTHON
from harness.passage import Passage
from harness.place import Place
from harness.postern import HASTY_SANITIZERS
from harness.postfix import DOMAIN_7BIT, DOMAIN_KEPT, Postfix
from harness.sink import Sink
from harness.world import World

WORLD = None
NEXT = None
MAILS = corpus.mails()
DEFAULT = "relaxed/simple"
LINE_OCTETS = 998  # smtp_line_length_limit, unless it is set


def setUpModule():
    global WORLD, NEXT
    NEXT = NextHop()
    try:
        # Postfix breaks long lines on their way out, behind the signer's
        # back, unless it is told not to.
        WORLD = World("corpus", settings(), keys=corpus.DOMAINS,
                      smtp_line_length_limit="0",
                      transport_maps=NEXT.transport())
        WORLD.postern.sanitizers = HASTY_SANITIZERS
        NEXT.start()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    try:
        NEXT.stop()
    finally:
        if WORLD is not None:
            WORLD.stop()


def settings(canon: str = DEFAULT, also: str = "", **sign) -> dict:
    """The author's keys sign by canon, the provider's, if they do, by also. No
    limit is to interfere."""
    provider = {("domain", corpus.PROVIDER): {"canonicalization": also}}
    return {
        **(provider if also else {}),
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 1_000_000, "per": "1d"},
        ("class", "submission"): {"max_recipients": 0},
        "senders": {"owners": "map",
                    "map": f"texthash:{NEXT.place.at('owners')}"},
        "sign": {"canonicalization": canon,
                 "also_sign": corpus.PROVIDER if also else None, **sign},
    }


class NextHop:
    """A second Postfix, which doesn't announce 8BITMIME, and what it hands
    on."""

    def __init__(self):
        self.place = Place("corpus-next")
        self.place.write("owners", corpus.OWNERS)
        self.sink = Sink()
        self.postfix = Postfix(
            self.place, self.sink.port, self.sink.port,
            myhostname="next.postern.example", smtpd_milters="",
            non_smtpd_milters="",
            smtpd_discard_ehlo_keywords="8bitmime, smtputf8")

    def start(self) -> None:
        self.postfix.start()

    def stop(self) -> None:
        try:
            self.postfix.stop()
        finally:
            self.sink.stop()
            self.place.remove()

    def transport(self) -> str:
        """How the first Postfix finds it: as one that converts 8-bit, and as
        one that may not."""
        hop = f"[127.0.0.1]:{self.postfix.smtp}"
        return (f"inline:{{ {{ {DOMAIN_7BIT} = smtp:{hop} }}, "
                f"{{ {DOMAIN_KEPT} = kept:{hop} }} }}")


def has_long_line(mail) -> bool:
    return max(map(len, mail.octets.split(b"\r\n"))) > LINE_OCTETS


def difference(sent: bytes, got: bytes) -> str:
    """Where got doesn't end as sent does."""
    at = next((at for at in range(1, min(len(sent), len(got)) + 1)
               if sent[-at] != got[-at]), min(len(sent), len(got)))
    return (f"wanted ...{sent[-at:][:60]!r}, {at} octets before the end; got "
            f"...{got[-at:][:60]!r}")


class CorpusCase(Case):
    """A failure names all messages that went wrong, not only the first."""

    CANON = DEFAULT  # of the author's signatures
    ALSO = ""        # of the provider's; empty: there are none
    passage = None

    def story(self):
        return WORLD.story()

    def want_none(self, problems: list) -> None:
        """Each of them is "name: wanted ..., got ..."."""
        if problems:
            self.fail(f"{len(problems)} of {len(self.passage.mails)} "
                      "messages:\n  " + "\n  ".join(problems))

    def each_arrived(self):
        for name, got in self.passage.arrived.items():
            yield self.passage.mails[name], got

    def not_good(self, mail, got) -> list:
        """What the verifiers find bad in a message."""
        return [f"{mail.name}: wanted {dkimcheck.title(tags)} good to "
                f"{verifier}, got {word}"
                for verifier in (PYTHON, PERL) if got.added
                for tags, word in zip(got.added, got.words[verifier],
                                      strict=True) if word != "pass"]

    def not_signed_as_wanted(self, mail, got) -> list:
        wanted = mail.signers(self.CANON, self.ALSO)
        if wanted == got.signers:
            return []
        why = f" ({mail.why})" if mail.why else ""
        return [f"{mail.name} [{mail.section}]: wanted {wanted}{why}, got "
                f"{got.signers}"]


class Corpus:
    """What is wanted of every engine and canonicalization: a class says of
    which."""

    SIGN = {}        # settings of sign, besides
    ALL = False      # even those that say nothing of canonicalization

    @classmethod
    def setUpClass(cls):
        WORLD.postern.restart(settings(cls.CANON, cls.ALSO, **cls.SIGN))
        cls.passage = Passage(
            WORLD, [one for one in MAILS if cls.is_sent(one)], WORLD.sink)

    @classmethod
    def is_sent(cls, mail) -> bool:
        """Whose From is about addresses goes its way once; so does what takes
        long to verify."""
        return cls.ALL or (mail.is_signed and not mail.is_heavy
                           and not mail.name.startswith("From: "))

    @classmethod
    def tearDownClass(cls):
        cls.passage = None

    def test_taken(self):
        """Postfix takes each and hands it on, but for those it refuses."""
        problems = []
        for name, mail in self.passage.mails.items():
            reply = self.passage.replies[name]
            wanted = mail.refused == ""
            if reply.ok != wanted:
                problems.append(f"{name}: wanted "
                                f"{'250' if wanted else mail.refused}, got "
                                f"{reply}")
            elif wanted and name not in self.passage.arrived:
                problems.append(f"{name}: wanted it at the sink, got nothing")
        self.want_none(problems)

    def test_who_signed(self):
        self.want_none([problem for mail, got in self.each_arrived()
                        for problem in self.not_signed_as_wanted(mail, got)])

    def test_signatures_are_good(self):
        self.want_none([problem for mail, got in self.each_arrived()
                        for problem in self.not_good(mail, got)])

    def test_what_is_covered(self):
        """From twice, so that nobody adds one; what must be; all of the body;
        by the canonicalization that was asked for."""
        problems = []
        for mail, got in self.each_arrived():
            for tags in got.added:
                names = tags.get("h", "").lower().split(":")
                if names.count("from") != 2:
                    problems.append(f"{mail.name}: wanted From twice, got "
                                    f"h={names}")
                problems += [f"{mail.name}: wanted {one} covered, got "
                             f"h={names}"
                             for one in mail.covers if one not in names]
                canon = (self.ALSO if tags.get("d") == corpus.PROVIDER
                         else self.CANON)
                if tags.get("c") != canon or "l" in tags:
                    problems.append(f"{mail.name}: wanted c={canon} and no "
                                    f"l=, got {tags}")
        self.want_none(problems)

    def test_nothing_else_is_changed(self):
        """Neither by us nor by Postfix, unless the corpus says so."""
        self.want_none([
            f"{mail.name}: {difference(mail.octets, got.octets)}"
            for mail, got in self.each_arrived()
            if not mail.altered and not got.octets.endswith(mail.octets)])


class Compared(Corpus):
    """The other engine signs too."""

    SIGN = {"self_check": "100%"}

    def test_engines_agree(self):
        """Octet for octet, on the stream that Postfix has sent."""
        said = {line.get("queue_id"): line.get("self_check") for line
                in WORLD.postern.lines(event="message")}
        problems = []
        for mail, got in self.each_arrived():
            reply = self.passage.replies[mail.name].words
            word = said.get(reply.rpartition(" ")[2])
            if got.added and word != "good":
                problems.append(f"{mail.name}: wanted self_check=good in the "
                                f"log, got {word}")
        self.want_none(problems)


class ByDefault(Compared, CorpusCase):
    """The provider's signatures stand for the other canonicalizations, so
    that each message goes its way less often."""

    ALSO = "simple/relaxed"
    ALL = True


class Alike(Compared, CorpusCase):
    CANON = "simple/simple"
    ALSO = "relaxed/relaxed"


class Opendkim(Corpus, CorpusCase):
    SIGN = {"engine": "opendkim"}
    CANON = "relaxed/relaxed"
    ALSO = "simple/simple"


class NextHopWithoutEightBit(CorpusCase):
    """Behind the first Postfix there is a second one without 8BITMIME, and
    with the limit of lines that Postfix has unless it is told otherwise."""

    @classmethod
    def setUpClass(cls):
        WORLD.postern.restart(settings())
        chosen = [one for number, one in enumerate(MAILS)
                  if one.is_signed and not one.is_heavy
                  and not one.is_international
                  and (number % 10 == 0 or one.name.startswith("MIME")
                       or ((one.has_eight_bit or has_long_line(one))
                           and not one.name.startswith("random")))]
        behind = (NEXT.postfix,)
        cls.kept = Passage(WORLD, chosen, NEXT.sink, DOMAIN_KEPT, behind)
        cls.converted = Passage(WORLD, chosen, NEXT.sink, DOMAIN_7BIT,
                                behind)

    def arrived(self, passage: Passage):
        """All of them, signed by whom they should be."""
        self.passage = passage
        missing = [f"{name}: wanted it at the sink, got nothing"
                   for name in passage.mails if name not in passage.arrived]
        self.want_none(missing + [
            problem for mail, got in self.each_arrived()
            for problem in self.not_signed_as_wanted(mail, got)])
        return self.each_arrived()

    def test_with_disable_mime_output_conversion(self):
        """As the manual advises: nothing is converted, and all signatures are
        good, but for those of messages whose lines were broken."""
        problems = []
        for mail, got in self.arrived(self.kept):
            if not has_long_line(mail):
                problems += self.not_good(mail, got)
        self.want_none(problems)

    def test_without_it(self):
        """What Postfix does then to mail that was declared 8-bit, or says so
        of itself: quoted-printable, and a signature that is bad. All others
        are as good as ever."""
        broken = set()
        problems = []
        for mail, got in self.arrived(self.converted):
            bad = self.not_good(mail, got)
            if bad and got.octets.endswith(mail.octets):
                problems += bad
            if bad and b"quoted-printable" in got.octets \
                    and b"quoted-printable" not in mail.octets:
                broken.add(mail.name)
        self.want_none(problems)
        for name in ("declared: 8-bit, BODY=8BITMIME",
                     "declared: 8-bit, nothing said", "MIME: with 8-bit"):
            self.assertIn(name, broken, "converted")

    def test_lines_that_are_too_long(self):
        """Postfix breaks them behind the signer, so the signature is bad:
        hence smtp_line_length_limit = 0 everywhere else here."""
        broken = [mail.name for mail, got in self.arrived(self.kept)
                  if has_long_line(mail) and self.not_good(mail, got)]
        self.assertIn("body: line of 2,000 octets", broken)
        self.assertIn("value: 50,000 octets", broken)
        self.assertNotIn("body: line of 998 octets", broken)


class Verifiers(CorpusCase):
    """Neither of the two takes what isn't good."""

    def test_what_was_changed_is_bad(self):
        WORLD.postern.restart(settings())
        login = f"alice@{corpus.OWN}"
        got = WORLD.deliver(login, message.compose(login), login)
        records = WORLD.keys.records
        swapped = {name: records[name.replace(corpus.OWN, corpus.OTHER)]
                   for name in records if name.endswith(f".{corpus.OWN}")}
        for name, octets, keys in (
                ("body", got + b"x\r\n", records),
                ("a covered field", got.replace(b"a test", b"a Test"),
                 records),
                ("another From", b"From: x@b.example\r\n" + got, records),
                ("another b=", re.sub(rb"([;\s]b=)", rb"\1ZZZZ", got),
                 records),
                ("other keys", got, swapped), ("no keys", got, {})):
            with self.subTest(name):
                self.assertFalse(octets == got and keys == records)
                words = dkimcheck.python_words(octets, keys, 2) + [
                    word for _, _, word
                    in dkimcheck.perl_words([octets], keys)[0]]
                self.want(4, len(words), "verdicts")
                self.assertNotIn("pass", words)
        self.want(["pass"] * 2, dkimcheck.python_words(got, records, 2),
                  "python3-dkim, unchanged")
        self.want(["pass"] * 2, [word for _, _, word in
                                 dkimcheck.perl_words([got], records)[0]],
                  "Mail::DKIM, unchanged")
