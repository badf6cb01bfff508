"""dkimcheck: are the signatures of a message good? Asked of two verifiers
that share no code with the signer: python3-dkim and Mail::DKIM."""

import os
import subprocess
import tempfile

import dkim

from .message import split

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "dkimcheck.pl")


def tags(value: str) -> dict:
    """The tag list of a DKIM-Signature (RFC 6376 §3.2), blanks removed."""
    pairs = [one.split("=", 1) for one in value.split(";") if "=" in one]
    return {name.strip(): "".join(text.split()) for name, text in pairs}


def signatures(message: bytes) -> list:
    """The tags of each DKIM-Signature, from the top."""
    return [tags(value.decode("utf-8", "replace"))
            for name, value in split(message)[0]
            if name.lower() == b"dkim-signature"]


def names(message: bytes) -> list:
    """Who signed, sorted: ["a.example/rsa", ...]."""
    return sorted(f"{one.get('d')}/{one.get('s')}"
                  for one in signatures(message))


def by_python(message: bytes, records: dict) -> list:
    """["a.example/rsa pass", ...]: what python3-dkim says of each."""
    def ask(name, timeout=5):
        text = name.decode() if isinstance(name, bytes) else name
        record = records.get(text.rstrip(".").lower())
        return record.encode() if record else None

    said = []
    for index, one in enumerate(signatures(message)):
        try:
            good = dkim.DKIM(message).verify(idx=index, dnsfunc=ask)
            word = "pass" if good else "fail"
        except dkim.DKIMException as error:
            word = f"fail ({error})"
        said.append(f"{one.get('d')}/{one.get('s')} {word}")
    return sorted(said)


def by_perl(message: bytes, records: dict) -> list:
    """The same, as Mail::DKIM says it."""
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
        for name, record in records.items():
            file.write(f"{name}\t{record}\n")
        file.flush()
        ran = subprocess.run(["perl", _SCRIPT, file.name], input=message,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             timeout=300)
    if ran.returncode != 0:
        return [f"Mail::DKIM: {ran.stderr.decode(errors='replace')}"]
    said = []
    for line in ran.stdout.decode(errors="replace").splitlines():
        domain, selector, _, result, detail = (line + " ").split(" ", 4)
        word = "pass" if result == "pass" else detail.strip()
        said.append(f"{domain}/{selector} {word}")
    return sorted(said)
