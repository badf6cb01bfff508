"""What the tests start, drive and look at: a private Postfix, an SMTP sink,
the daemon under test, our own milter and SMTP clients, DKIM verifiers, Redis
in all its forms and a bad network before it, a DNS with zones and one that
makes mistakes.

Each module has one job; world.py puts them together for tests/e2e. Python's
standard library, python3-dkim and python3-dnspython are all that is needed.
Everything runs on loopback below one temporary directory, and is stopped by
its process id.
"""
