"""dkimcheck: are the signatures of a message good? Asked of two verifiers
that share no code with the signer: python3-dkim and Mail::DKIM."""

import base64
import binascii
import os
import subprocess
import tempfile

import dkim
import nacl.exceptions
import nacl.signing

from .message import split

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "dkimcheck.pl")
_SECONDS = 600


def tags(value: str) -> dict:
    """The tag list of a DKIM-Signature (RFC 6376 §3.2), blanks removed."""
    pairs = [one.split("=", 1) for one in value.split(";") if "=" in one]
    return {name.strip(): "".join(text.split()) for name, text in pairs}


def signatures(message: bytes) -> list:
    """The tags of each DKIM-Signature, from the top."""
    return [tags(value.decode("utf-8", "replace"))
            for name, value in split(message)[0]
            if name.lower() == b"dkim-signature"]


def on_top(message: bytes, above: int = 0) -> list:
    """The tags of the DKIM-Signatures above all other fields, but for so many
    trace fields that later hops have put above: those that the last signer
    has added."""
    found = []
    for name, value in split(message)[0][above:]:
        if name.lower() != b"dkim-signature":
            break
        found.append(tags(value.decode("utf-8", "replace")))
    return found


def title(one: dict) -> str:
    """Who made a signature: "a.example/rsa"."""
    return f"{one.get('d')}/{one.get('s')}"


def names(message: bytes) -> list:
    """Who signed, sorted: ["a.example/rsa", ...]."""
    return sorted(title(one) for one in signatures(message))


def python_words(message: bytes, records: dict, count: int) -> list:
    """What python3-dkim says of the first count signatures of a message:
    "pass" or why not."""
    def ask(name, timeout=5):
        text = name.decode() if isinstance(name, bytes) else name
        record = records.get(text.rstrip(".").lower())
        return record.encode() if record else None

    said = []
    try:
        verifier = dkim.DKIM(message)
    except (dkim.DKIMException, ValueError) as error:
        return [f"fail ({error})"] * count
    for index in range(count):
        try:
            good = verifier.verify(idx=index, dnsfunc=ask)
            said.append("pass" if good else "fail")
        except (dkim.DKIMException, ValueError) as error:
            said.append(f"fail ({error})")
    return said


def _ed25519_word(record: str, digest: str, signature: str) -> str:
    """Has the key of the record signed this hash?"""
    try:
        key = nacl.signing.VerifyKey(base64.b64decode(tags(record)["p"]))
        key.verify(bytes.fromhex(digest), base64.b64decode(signature))
        return "pass"
    except (nacl.exceptions.CryptoError, binascii.Error, ValueError,
            KeyError) as error:
        return f"fail ({error})"


def _perl_word(words: list, records: dict) -> tuple:
    """(b=, "pass" or why not) of one line of dkimcheck.pl."""
    domain, selector, algorithm, result, signature, digest, detail = words
    if result != "pass":
        return signature, detail.strip()
    if algorithm != "ed25519-sha256":
        return signature, "pass"
    record = records.get(f"{selector}._domainkey.{domain}", "")
    return signature, _ed25519_word(record, digest, signature)


def _perl_lines(messages: list, records: dict) -> list:
    """The lines of dkimcheck.pl for each of the messages, in words."""
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
        for name, record in records.items():
            file.write(f"{name}\t{record}\n")
        file.flush()
        ran = subprocess.run(
            ["perl", _SCRIPT, file.name], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=_SECONDS,
            input=b"".join(b"%d\n" % len(one) + one for one in messages))
    if ran.returncode != 0:
        raise ChildProcessError(
            f"dkimcheck.pl: {ran.stderr.decode(errors='replace')}")
    found = [[]]
    for line in ran.stdout.decode(errors="replace").splitlines():
        if line == ".":
            found.append([])
        else:
            found[-1].append((line + " ").split(" ", 6))
    return found[:-1]


def perl_words(messages: list, records: dict) -> list:
    """What Mail::DKIM says: for each message a list of (d=/s=, b=, "pass" or
    why not), one for each signature that it could read."""
    return [[(f"{one[0]}/{one[1]}", *_perl_word(one, records))
             for one in lines] for lines in _perl_lines(messages, records)]


def by_python(message: bytes, records: dict) -> list:
    """["a.example/rsa pass", ...]: what python3-dkim says of each."""
    chosen = signatures(message)
    return sorted(f"{title(one)} {word}" for one, word in zip(
        chosen, python_words(message, records, len(chosen))))


def by_perl(message: bytes, records: dict) -> list:
    """The same, as Mail::DKIM says it."""
    return sorted(f"{name} {word}" for name, _, word
                  in perl_words([message], records)[0])
