"""ctlcase: a test case that drives posternctl beside a daemon on a bench."""

import json

from . import message
from .case import Case
from .place import token


class CtlCase(Case):
    """bench() gives the module's Bench; addresses is an iterator of client
    addresses that nobody else uses."""

    addresses = None
    domain = ""

    @classmethod
    def bench(cls):
        raise NotImplementedError

    def story(self):
        return self.bench().story()

    def setUp(self):
        """An account and an address nobody has used."""
        self.login = f"{token()}@{self.domain}"
        self.address = next(self.addresses)

    def ctl(self, *arguments, status: int = 0, stdin: bytes = b""):
        """Run it; it must end with status."""
        ran = self.bench().postern.ctl(*arguments, stdin=stdin)
        if ran.returncode != status:
            self.fail(f"posternctl {' '.join(arguments)}: wanted exit status "
                      f"{status}, got {ran.returncode}\n{ran.out}{ran.err}")
        return ran

    def json(self, *arguments, **how):
        return json.loads(self.ctl("--json", *arguments, **how).out)

    def send(self, count: int = 1, login: str = "", **connection):
        """One message of the account (or of login) to count recipients."""
        login = login or self.login
        connection.setdefault("address", self.address)
        rcpts = [f"{token()}@out.example" for _ in range(count)]
        return self.bench().send(login, message.compose(login), login, rcpts,
                                 connection)

    def used(self, limit: str, *arguments) -> int:
        """What `limits show` says is used of a limit."""
        shown = self.json("limits", "show", *arguments)
        found = [one["used"] for one in shown["limits"]
                 if one["limit"] == limit]
        self.want(1, len(found), f"counts of {limit} in {shown}")
        return found[0]
