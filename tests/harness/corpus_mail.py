"""corpus_mail: one message of the corpus, and what is to come of it. All here
is octets: no library may mend a message on its way into the corpus."""

import typing

from .message import CRLF, octets

# Whose keys there are. A message's signer is one of these domains. Who may use
# what is below the first one says OWNERS.
OWN = "a.example"
OTHER = "b.example"                # another customer's
IDN = "xn--mller-kva.example"      # m\u00fcller.example
SUFFIX = "co.uk"                   # a key lies there, but nobody owns it
PROVIDER = "relay.example"         # signs what is signed once more
LONG = ".".join(["l" * 63] * 3 + ["long", "example"])
LOGIN = f"alice@{OWN}"
FROM = f"From: Alice <{LOGIN}>"
BELOW = ("news", "1.2.3.4.5", "db_1", "l" * 63,
         ".".join(["d" * 59] * 3), "sub", "x-1")
# As smtpd_sender_login_maps has it.
OWNERS = "".join([f"@{one}.{OWN} {LOGIN}\n" for one in BELOW]
                 + [f"@xn--nws-jma.{IDN} anna@{IDN}\n",
                    f"@shop.{SUFFIX} x@{SUFFIX}\n"])

# What Postfix 3.7 does to messages before anybody signs them.
COLON = "Postfix removes blanks before a colon"
CUT = "Postfix cuts a field after 60,000 octets"
ENDS = "to Postfix that is no field, so the header ends there"
LINE_END = "to Postfix a bare LF is a line end"
NUL = "to Postfix a NUL ends the field"
STRAY = "Postfix makes a blank of a stray CR (cleanup_replace_stray_cr_lf)"
DROPPED = "Postfix drops such a field (message_drop_headers)"

# The two verifiers.
PYTHON = "python3-dkim"
PERL = "Mail::DKIM"


class Mail(typing.NamedTuple):
    """One message. Sent by login (that owns its domain) as sender, it arrives
    signed by signer's keys, or by nobody's if signer is empty."""

    name: str
    section: str          # what it stands for: "RFC 5322 section 4.2"
    octets: bytes         # with CRLF line ends, but where that is the point
    signer: str = OWN
    why: str = ""         # why nobody may sign it
    is_simple_only: bool = False  # no key may sign by relaxed headers
    is_provider_only: bool = False  # signed, but not by an author's key
    covers: tuple = ()    # fields that have to be in h=, in lower case
    login: str = LOGIN
    sender: str = LOGIN
    params: str = ""      # of MAIL FROM
    rcpts: tuple = ()     # more recipients, besides the one it is found by
    is_chunked: bool = False  # BDAT, which leaves a missing last CRLF missing
    is_heavy: bool = False    # takes long to verify
    altered: str = ""     # what Postfix changes, and why: before it is signed
    refused: str = ""     # what Postfix says to it, and why

    @property
    def is_signed(self) -> bool:
        """By anybody, under any canonicalization."""
        return self.signer != "" or self.is_provider_only

    def signers(self, canon: str, also: str) -> list:
        """Who signs, when the author's keys do so under canon
        ("relaxed/simple") and the provider's under also ("": not at all): RSA
        and Ed25519 of each domain. What one of them can't cover rightly
        leaves the others as they are."""
        if not self.is_signed:
            return []
        return sorted(f"{domain}/{key}"
                      for domain, one in ((self.signer, canon),
                                          (PROVIDER, also))
                      for key in ("ed", "rsa")
                      if domain and one and not (
                          self.is_simple_only and one.startswith("relaxed")))

    @property
    def is_international(self) -> bool:
        return "SMTPUTF8" in self.params

    @property
    def has_eight_bit(self) -> bool:
        return not self.octets.isascii()


def lines(*fields) -> bytes:
    """Header lines, each with its end."""
    return b"".join(octets(one) + CRLF for one in fields)


def head(*fields, author=FROM, without=()) -> bytes:
    """The usual fields and these below them, without the empty line. author:
    the line or lines of From, or None. without: usual ones left out."""
    usual = {
        "Date": "Date: Tue, 06 Oct 2026 10:00:00 +0000",
        "Message-Id": "Message-Id: <corpus@test.example>",
        "From": author,
        "To": "To: Rita <r@out.example>",
        "Subject": "Subject: a test",
    }
    kept = [line for name, line in usual.items()
            if name not in without and line is not None]
    flat = []
    for one in kept:
        flat += one if isinstance(one, (list, tuple)) else [one]
    return lines(*flat, *fields)


def make(*fields, body=b"Hello.\r\n", **how) -> bytes:
    """A whole message."""
    return head(*fields, **how) + CRLF + octets(body)
