"""keys: private keys as the daemon wants them, and their DNS records.

Making an RSA key takes longer than most tests. So what one process of tests
has made others take too, from the directory that POSTERN_TEST_KEYS names; none
gets the same key twice."""

import base64
import itertools
import os
import subprocess
import tempfile

# The 12 octets before an Ed25519 key in its SubjectPublicKeyInfo
# (RFC 8410); DKIM wants the key alone (RFC 8463).
_ED25519_PREFIX = 12

_NUMBERS = itertools.count(1)


class Keys:
    """A directory DOMAIN/SELECTOR.private owned by uid."""

    def __init__(self, path: str, uid: int, gid: int):
        self.path = path
        self._uid, self._gid = uid, gid
        self.records = {}  # "s1._domainkey.a.example" -> TXT
        self._make(path)

    def _make(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        os.chown(path, self._uid, self._gid)
        os.chmod(path, 0o700)

    def file(self, domain: str, selector: str) -> str:
        return os.path.join(self.path, domain, selector + ".private")

    def add(self, domain: str, selector: str = "rsa",
            algorithm: str = "rsa", bits: int = 2048) -> str:
        """Make a key; the path of its file."""
        self._make(os.path.join(self.path, domain))
        path = self.file(domain, selector)
        if algorithm == "rsa":
            _copy_rsa(path, bits, next(_NUMBERS))
        else:
            openssl("genpkey", "-algorithm", "ED25519", "-out", path)
        public = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
        if algorithm != "rsa":
            public = public[_ED25519_PREFIX:]
        os.chmod(path, 0o600)
        os.chown(path, self._uid, self._gid)
        self.records[f"{selector}._domainkey.{domain}"] = (
            f"v=DKIM1; k={algorithm}; "
            f"p={base64.b64encode(public).decode()}")
        return path

    def zone(self, *names: str) -> dict:
        """The records for the DNS: of these names ("rsa._domainkey.a.example",
        or a domain: all of its keys), or of all."""
        return {name: [["TXT", record]]
                for name, record in self.records.items()
                if not names or any(
                    name == one or name.endswith(f"._domainkey.{one}")
                    for one in names)}

    def add_both(self, domain: str) -> None:
        """RSA as selector "rsa" and Ed25519 as selector "ed"."""
        self.add(domain, "rsa", "rsa")
        self.add(domain, "ed", "ed25519")


def _copy_rsa(path: str, bits: int, number: int) -> None:
    """To path the key of this number, made now if nobody has."""
    pool = os.environ.get("POSTERN_TEST_KEYS")
    how = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
    if not pool:
        openssl("genpkey", *how, "-out", path)
        return
    kept = os.path.join(pool, f"rsa-{bits}-{number}")
    if not os.path.exists(kept):
        with tempfile.NamedTemporaryFile(dir=pool) as made:
            openssl("genpkey", *how, "-out", made.name)
            try:
                os.link(made.name, kept)
            except FileExistsError:  # somebody beside was faster
                pass
    with open(kept, "rb") as source, open(path, "wb", opener=_private) as out:
        out.write(source.read())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60).stdout


def certificate(path: str, host: str) -> None:
    """A self-signed certificate: PATH.pem and PATH.key."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={host}", "-keyout", path + ".key",
            "-out", path + ".pem")
