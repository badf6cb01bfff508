"""message: mail to send, built octet by octet (no library may mend it)."""

import secrets

CRLF = b"\r\n"


def octets(text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")


def compose(author, body=b"Hello.\r\n", headers=(), to="r@out.example",
            subject="a test") -> bytes:
    """A message with CRLF line ends. author is the value of From; None: no
    From field; a list: one field each. headers: (name, value) pairs, put
    after the usual ones; folds in values are CRLF."""
    authors = author if isinstance(author, (list, tuple)) else [author]
    fields = [("Date", "Tue, 06 Oct 2026 10:00:00 +0000"),
              ("Message-Id", f"<{secrets.token_hex(8)}@test.example>")]
    fields += [("From", one) for one in authors if one is not None]
    if to is not None:
        fields.append(("To", to))
    if subject is not None:
        fields.append(("Subject", subject))
    fields += list(headers)
    head = b"".join(octets(name) + b": " + octets(value) + CRLF
                    for name, value in fields)
    return head + CRLF + octets(body)


def split(message: bytes):
    """([(name, raw value with its leading space and CRLF folds)], body)."""
    head, found, body = message.partition(b"\r\n\r\n")
    if message.startswith(CRLF):
        head, body = b"", message[2:]
    elif not found:
        head, body = message.removesuffix(CRLF), b""
    fields = []
    for line in head.split(CRLF) if head else []:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1] += CRLF + line
        else:
            name, _, value = line.partition(b":")
            fields.append([name, value])
    return [(name, value) for name, value in fields], body


def values(message: bytes, name: str) -> list:
    """All values of a field, unfolded and stripped, as text."""
    return [value.replace(CRLF, b"").strip().decode("utf-8", "replace")
            for field, value in split(message)[0]
            if field.decode("latin-1").lower() == name.lower()]
