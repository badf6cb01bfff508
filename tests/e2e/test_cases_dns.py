"""The cases of tests/cases for SPF and DMARC, asked of posternctl preflight
with real DNS: what the unit tests show of the evaluators holds for the
product."""

import glob
import json
import os

from harness.bench import Bench
from harness.case import Case
from harness.dns import Nsd, ScriptedDns
from harness.place import Place
from harness.postern import TOP, is_sanitized
from harness.zone import Zone, key

PLACE = NSD = SCRIPTED = NSD_BENCH = SCRIPTED_BENCH = None

# A case a process, and under a sanitizer each takes its time.
EVERY = 10 if is_sanitized() else 2
SPF_IP, OTHER_IP = "192.0.2.1", "192.0.2.2"
SPF = f"v=spf1 ip4:{SPF_IP} -all"


def setUpModule():
    """Two that are never started: a daemon isn't needed, only its
    configuration."""
    global PLACE, NSD, SCRIPTED, NSD_BENCH, SCRIPTED_BENCH
    PLACE = Place("cases")
    NSD = Nsd(PLACE).start()
    SCRIPTED = ScriptedDns()
    NSD_BENCH = Bench("cases-nsd", NSD.settings(), keys=(), start=False)
    SCRIPTED_BENCH = Bench("cases-scripted", SCRIPTED.settings(),
                           keys=(), start=False)


def tearDownModule():
    for one in (NSD_BENCH, SCRIPTED_BENCH, NSD, SCRIPTED):
        if one is not None:
            one.stop()
    PLACE.remove()


def groups(kind: str) -> list:
    """All of the files of a kind, each with where it is from."""
    found = []
    for path in sorted(glob.glob(os.path.join(TOP, "tests", "cases",
                                              f"{kind}_*.json"))):
        with open(path, encoding="utf-8") as file:
            for group in json.load(file):
                group["file"] = os.path.basename(path)
                found.append(group)
    return found


def at_once(record):
    if record == "TIMEOUT":
        return "SERVFAIL"
    return ["SERVFAIL", *record[1:]] if record[0] == "TIMEOUT" else record


class Cases(Case):
    def serve(self, zone: dict) -> Bench:
        """Serve it; the bench whose configuration asks that server. Silence
        would use up the time that there is for all look-ups together, so here
        it is an error at once."""
        if Zone(zone).is_lossy():
            SCRIPTED.put({name: [at_once(one) for one in records]
                          for name, records in zone.items()})
            return SCRIPTED_BENCH
        NSD.load(zone)
        return NSD_BENCH

    def preflight(self, bench, *arguments: str) -> dict:
        ran = bench.postern.ctl("preflight", *arguments, "--json")
        if ran.returncode not in (0, 1, 75):
            self.fail(f"posternctl preflight {' '.join(arguments)}: "
                      f"{ran.returncode}\n{ran.out}{ran.err}")
        return json.loads(ran.out)

    def run_cases(self, kind: str, prepare, check) -> None:
        count = 0
        for number, group in enumerate(groups(kind)):
            chosen = group["cases"][number % EVERY::EVERY]
            if not chosen:
                continue
            bench = self.serve(prepare(group))
            for case in chosen:
                with self.subTest(file=group["file"], case=case["name"],
                                  section=case["section"]):
                    count += check(bench, group, case)
        self.assertGreater(count, 10, f"cases of {kind}")


class OfSpf(Cases):
    def check(self, bench, _, case) -> bool:
        got = self.preflight(
            bench, "--ip", case["ip"], "--helo", case["helo"],
            "--mail-from", case["mail_from"],
            "--from", "author@elsewhere.example")
        self.want(case["want"], got["spf"]["result"], "spf.result")
        return True

    def test_cases(self):
        self.run_cases("spf", lambda group: group["zone"], self.check)


class OfDmarc(Cases):
    @staticmethod
    def prepare(group: dict) -> dict:
        """The zone, and SPF records at the domains that SPF is to pass for.
        A name that isn't there stays so: np= depends on it."""
        zone = {key(name): records for name, records
                in group["zone"].items()}
        for case in group["cases"]:
            domain = key(case.get("spf", {}).get("domain", ""))
            if domain in zone and ["TXT", SPF] not in zone[domain]:
                zone[domain] = [*zone[domain], ["TXT", SPF]]
        return zone

    @staticmethod
    def can_be_had(group, case) -> bool:
        """Not so what is lost on the way; nor SPF of a name that isn't there,
        as its record would change that."""
        spf = case.get("spf") or {"result": "none"}
        return not any(one["result"] == "temperror" for one
                       in [spf, *case.get("dkim", [])]) and (
            spf["result"] != "pass"
            or key(spf["domain"]) in map(key, group["zone"]))

    def check(self, bench, group, case) -> bool:
        if not self.can_be_had(group, case):
            return False
        spf = case.get("spf")
        dkim = case.get("dkim", [])
        is_pass = bool(spf) and spf["result"] == "pass"
        arguments = ["--ip", SPF_IP if is_pass else OTHER_IP,
                     "--helo", "helo.elsewhere.example",
                     "--mail-from", f"x@{spf['domain']}" if spf else "",
                     "--from", f"author@{case['from']}"]
        for one in dkim:
            if one["result"] == "pass":
                arguments += ["--dkim", one["domain"]]
        got = self.preflight(bench, *arguments)
        for profile, want in case["want"].items():
            self.want(want["result"], got["profiles"][profile]["result"],
                      f"result by {profile}")
        return True

    def test_cases(self):
        self.run_cases("dmarc", self.prepare, self.check)
