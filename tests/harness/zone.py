"""zone: a piece of the DNS as a Python dict, in the form that the case files
have (tests/fake/zone.h): answers out of it, and the same as a zone file.

    {"example.com": [["TXT", "v=spf1 -all"], ["MX", 10, "mx.example.com"]],
     "empty.example.com": [],
     "*.example.com": [["A", "192.0.2.1"]],
     "lost.example.com": ["SERVFAIL"], "late.example.com": [["TIMEOUT", "A"]]}

All names lie below one root. Characters are octets: "\\u00e4" is 0xe4. Other
types than those that postern asks for are written as in a zone file:
["SRV", "0 0 25 mail.example.com."]."""

import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.rrset

IN = dns.rdataclass.IN
_STRING = 255   # octets in one string of a TXT record
_CHAIN = 16     # aliases followed, as servers do
SOA = "a.ns-of-the-tests. nobody.ns-of-the-tests. {serial} 60 60 3600 {ttl}"
LOST = ("SERVFAIL", "TIMEOUT")


def key(name: str) -> str:
    """A name as it is looked up: lower case (ASCII), no last dot."""
    return "".join(one.lower() if one.isascii() else one
                   for one in name).rstrip(".")


def wire_name(name: str) -> dns.name.Name:
    """Each octet stands for itself, dots part labels; "" and "." are the
    root."""
    labels = [one.encode("latin-1") for one in name.rstrip(".").split(".")
              if name.rstrip(".")]
    return dns.name.Name(labels + [b""])


def text_name(name: dns.name.Name) -> str:
    """The other way round."""
    return ".".join(one.decode("latin-1") for one in name.labels).rstrip(".")


def strings(text) -> list:
    """What a TXT record holds: one text, cut where it must be, or its strings
    as they are. Text is of octets, or of characters that stand for them."""
    if isinstance(text, (list, tuple)):
        return [_octets(one) for one in text]
    octets = _octets(text)
    return [octets[at:at + _STRING]
            for at in range(0, max(1, len(octets)), _STRING)]


def _octets(text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def rdata(record):
    """One record of the dict."""
    kind, *values = record
    number = dns.rdatatype.from_text(kind)
    if kind == "TXT":
        return dns.rdtypes.ANY.TXT.TXT(IN, number, strings(values[0]))
    if kind == "MX":
        return dns.rdtypes.ANY.MX.MX(IN, number, int(values[0]),
                                     wire_name(values[1]))
    if kind in ("PTR", "CNAME", "NS", "DNAME"):
        made = dns.rdata.get_rdata_class(IN, number)
        return made(IN, number, wire_name(values[0]))
    return dns.rdata.from_text(IN, number, " ".join(map(str, values)))


class Reply:
    """What there is to say to a question: records (of dnspython), or why not.
    lost: "" or one of LOST."""

    def __init__(self, rcode: int = dns.rcode.NOERROR, answer=(),
                 lost: str = ""):
        self.rcode = rcode
        self.answer = list(answer)
        self.lost = lost


class Zone:
    """A dict that can be asked. It is read anew for each question, so it may
    be changed at any time."""

    def __init__(self, names: dict, ttl: int = 300):
        self.ttl = ttl
        self.put(names)

    def put(self, names: dict) -> None:
        """All names anew."""
        made = {key(name): [records] if records in LOST else list(records)
                for name, records in names.items()}
        there = {""}
        for name in made:  # whatever is above a name is there as well
            labels = name.split(".")
            there.update(".".join(labels[at:]) for at in range(len(labels)))
        self._names, self._there = made, there

    def find(self, name: str, kind: str) -> Reply:
        """The answer to a question about name, aliases followed."""
        answer = []
        for _ in range(_CHAIN):
            records = self._records(key(name))
            lost = next((one for one in map(_lost, records)
                         if one and one[1] in ("", kind)), None)
            if lost:
                return Reply(lost=lost[0])
            if records is _NOBODY:
                return Reply(dns.rcode.NXDOMAIN, answer)
            found = self._of(records, kind)
            alias = self._of(records, "CNAME")
            if found or not alias:
                return Reply(answer=answer + self._rrset(name, kind, found))
            answer += self._rrset(name, "CNAME", alias)
            name = text_name(alias[0].target)
        return Reply(answer=answer)

    def _records(self, name: str) -> list:
        if name in self._names:
            return self._names[name]
        if name in self._there:
            return []
        # RFC 4592: the wildcard of the closest name above that is there.
        above = name.partition(".")[2]
        while above not in self._there:
            above = above.partition(".")[2]
        return self._names.get(f"*.{above}" if above else "*", _NOBODY)

    @staticmethod
    def _of(records: list, kind: str) -> list:
        return [rdata(one) for one in records
                if not _lost(one) and one[0] == kind]

    def _rrset(self, name: str, kind: str, found: list) -> list:
        if not found:
            return []
        rrset = dns.rrset.RRset(wire_name(name), IN,
                                dns.rdatatype.from_text(kind))
        for one in found:
            rrset.add(one, self.ttl)
        return [rrset]

    def soa(self, serial: int = 1) -> dns.rrset.RRset:
        """What a negative answer carries."""
        text = SOA.format(serial=serial, ttl=self.ttl)
        return dns.rrset.from_text(dns.name.root, self.ttl, IN, "SOA", text)

    def text(self) -> str:
        """The records as lines of a zone file. What is lost can't be
        written."""
        lines = []
        for name, records in self._names.items():
            if any(map(_lost, records)):
                raise ValueError(f"{name}: no zone file can lose answers")
            # An empty name must have something that nobody asks for.
            for one in records or [["HINFO", '"empty" ""']]:
                lines.append(f"{_escaped(name)} {self.ttl} IN {_line(one)}")
        return "\n".join(lines) + "\n"

    def is_lossy(self) -> bool:
        """Does any answer get lost?"""
        return any(_lost(one) for records in self._names.values()
                   for one in records)


def _escaped(name: str) -> str:
    """A name in a zone file. nsd doesn't read "\\\\" before a dot as others
    do, so whatever is odd becomes \\DDD."""
    return "".join(
        one if one.isascii() and (one.isalnum() or one in "-_*.")
        else f"\\{ord(one):03d}" for one in name.rstrip(".")) + "."


def _line(record) -> str:
    """Type and value of a record in a zone file."""
    kind, *values = record
    if kind == "MX":
        return f"MX {values[0]} {_escaped(values[1])}"
    if kind in ("PTR", "CNAME", "NS", "DNAME"):
        return f"{kind} {_escaped(values[0])}"
    return f"{kind} {rdata(record).to_text()}"


_NOBODY = []  # the records of a name that isn't there


def _lost(record):
    """(how, type or "") of an entry that loses answers; else None."""
    if record in LOST:
        return record, ""
    if record[0] in LOST:
        return record[0], record[1] if len(record) > 1 else ""
    return None
