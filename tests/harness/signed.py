"""signed: mail that somebody else has signed, and what lists, redirects and
people make of it on its way to us. Signatures are python3-dkim's, which shares
no code with the daemon; nothing here asks the DNS.

    keys = Keys(place.at("elsewhere"), uid, gid)
    keys.add("author.example", "s1")
    sent = signed.sign(message.compose("bob@author.example"), keys,
                       "author.example", "s1")
    mail = signed.list_post(sent, "all@list.example")
    reply = WORLD.send(mail.sender, rcpt, mail.message, login)

keys.zone() are the records that a receiver finds. What a function adds to a
message stands above or below what was there; the fields that a signature
covers keep their place among those of their name."""

import base64
import typing

import dkim

from .keys import Keys, openssl
from .message import CRLF, octets, split

_SEED_OCTETS = 32  # of an Ed25519 key: the last ones of its DER
_DATE = "Tue, 06 Oct 2026 10:00:05 +0000"
COVERED = ("from", "to", "subject", "date", "message-id", "reply-to",
           "mime-version", "content-type")


class Mail(typing.NamedTuple):
    """What is handed to the next server: MAIL FROM ("" is the null sender)
    and the message."""

    sender: str
    message: bytes


def _secret(keys: Keys, domain: str, selector: str):
    """(the key as python3-dkim wants it, the name of its algorithm)"""
    with open(keys.file(domain, selector), "rb") as file:
        pem = file.read()
    if "k=ed25519" not in keys.records[f"{selector}._domainkey.{domain}"]:
        return pem, b"rsa-sha256"
    der = openssl("pkey", "-in", keys.file(domain, selector),
                  "-outform", "DER")
    return base64.b64encode(der[-_SEED_OCTETS:]), b"ed25519-sha256"


def sign(message: bytes, keys: Keys, domain: str, selector: str = "rsa",
         covered=COVERED, canon: str = "relaxed/relaxed",
         **how) -> bytes:
    """The message with one signature more, on top: d=domain, s=selector, by
    that key of keys. covered: names for h=; those that the message doesn't
    have are left out, so "from" twice is needed to oversign it, and then stays
    ("from", "from"). how: what dkim.sign() takes besides (identity, length).
    """
    key, algorithm = _secret(keys, domain, selector)
    there = {name.decode("latin-1").strip().lower()
             for name, _ in split(message)[0]}
    names = [octets(one) for one in covered if one.lower() in there]
    return dkim.sign(
        message, octets(selector), octets(domain), key,
        canonicalize=tuple(octets(one) for one in canon.split("/")),
        include_headers=names, signature_algorithm=algorithm,
        **how) + message


def customer_signed(message: bytes, keys: Keys, domain: str,
                    selector: str = "rsa") -> Mail:
    """As a customer's own server hands it to his provider: signed there, by
    old habits (simple/simple, From oversigned), with a Received of that
    server on top. MAIL FROM is postmaster's of the domain."""
    sent = sign(message, keys, domain, selector,
                ("from", "from") + COVERED[1:], "simple/simple")
    return Mail(f"postmaster@{domain}", above(sent, [
        received(f"mail.{domain}", f"desk.{domain}")]))


def received(by: str, helo: str) -> tuple:
    """A Received field, to be put above others."""
    return ("Received", f"from {helo} ({helo} [192.0.2.77])\r\n"
                        f"\tby {by} (Postfix) with ESMTPS id 4Xy1Z20c8pz9;\r\n"
                        f"\t{_DATE}")


def _fields(fields) -> bytes:
    return b"".join(octets(name) + b": " + octets(value) + CRLF
                    for name, value in fields)


def above(message: bytes, fields) -> bytes:
    """The message with (name, value) fields above its own."""
    return _fields(fields) + message


def below(message: bytes, fields) -> bytes:
    """The message with (name, value) fields below its own; nothing else is
    touched."""
    head, body = message, b""
    at = message.find(CRLF + CRLF)
    if at >= 0:
        head, body = message[:at + 2], message[at + 2:]
    return head + _fields(fields) + body


def list_post(message: bytes, address: str, footer: bytes = None,
              prefix: str = None) -> Mail:
    """As Mailman posts it to a subscriber: Sender and List-* fields below the
    others, trace fields above, MAIL FROM the list's address for bounces;
    Subject and body as they were, so the author's signature stays good.

    footer: octets put at the body's end; prefix: text put before the Subject
    ("[all]"). Either breaks a signature that covers it."""
    name, _, domain = address.partition("@")
    where = f"https://{domain}/mailman3/lists/{name}.{domain}"
    bounces = f"{name}-bounces@{domain}"
    if prefix is not None:
        message = _prefixed(message, prefix)
    if footer is not None:
        message += footer
    message = below(message, [
        ("Precedence", "list"),
        ("Sender", f'"The list" <{bounces}>'),
        ("Errors-To", bounces),
        ("List-Id", f"The list <{name}.{domain}>"),
        ("List-Archive", f"<{where}/>"),
        ("List-Help", f"<mailto:{name}-request@{domain}?subject=help>"),
        ("List-Owner", f"<mailto:{name}-owner@{domain}>"),
        ("List-Post", f"<mailto:{address}>"),
        ("List-Subscribe", f"<mailto:{name}-join@{domain}>"),
        ("List-Unsubscribe", f"<mailto:{name}-leave@{domain}>"),
        ("X-Mailman-Version", "3.3.8")])
    return Mail(bounces, above(message, [
        received(f"lists.{domain}", f"lists.{domain}"),
        ("X-Original-To", address),
        ("Delivered-To", address)]))


def _prefixed(message: bytes, prefix: str) -> bytes:
    head, blank, body = message.partition(CRLF + CRLF)
    lines = head.split(CRLF)
    for number, line in enumerate(lines):
        if line.lower().startswith(b"subject:"):
            _, _, value = line.partition(b":")
            lines[number] = b"Subject: " + octets(prefix) + b" " \
                + value.lstrip()
    return CRLF.join(lines) + blank + body


def redirected(message: bytes, user: str, sender: str = None) -> Mail:
    """As Sieve's "redirect" sends it on (RFC 5228 §4.2): unchanged, below the
    trace of user's mail server and its own mark. user: the address whose
    script it is. sender: MAIL FROM; None: user's address, as servers do that
    rewrite it; servers that keep it pass on the author's, or "" of a bounce.
    """
    _, _, domain = user.partition("@")
    return Mail(user if sender is None else sender, above(message, [
        received(f"mail.{domain}", f"mx.{domain}"),
        ("X-Sieve", "Pigeonhole Sieve 0.5.19 (4eae2f79)"),
        ("X-Sieve-Redirected-From", user),
        ("Delivered-To", user)]))


def resent(message: bytes, user: str, to: str) -> Mail:
    """As somebody's mail program sends it on by "redirect" or "bounce" (RFC
    5322 §3.6.6): unchanged, below a block of Resent-* fields. user: who does
    that, and MAIL FROM."""
    _, _, domain = user.partition("@")
    return Mail(user, above(message, [
        ("Resent-From", user), ("Resent-To", to), ("Resent-Date", _DATE),
        ("Resent-Message-Id", f"<resent.1@{domain}>")]))
