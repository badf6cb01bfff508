"""corpus: messages that go through Postfix and postern, and what is to come of
each: signed by which domain, or never by anybody and why. All are made here,
by hand or by a seeded chance: the same octets in every run."""

from . import corpus_author, corpus_body, corpus_header, corpus_random
from .corpus_mail import IDN, LONG, OTHER, OWN, OWNERS, PROVIDER, SUFFIX, Mail

# All that there are keys for.
DOMAINS = (OWN, OTHER, IDN, SUFFIX, LONG, PROVIDER)

__all__ = ("DOMAINS", "OTHER", "OWN", "OWNERS", "PROVIDER", "Mail", "mails")


def mails() -> list:
    """All of them. Names are unique."""
    made = (corpus_author.mails() + corpus_header.mails()
            + corpus_body.mails() + corpus_random.mails())
    names = [one.name for one in made]
    twice = {one for one in names if names.count(one) > 1}
    if twice:
        raise ValueError(f"messages of one name: {twice}")
    return made
