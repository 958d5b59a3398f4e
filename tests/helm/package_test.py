"""The Debian packages: what is in them, by what the programs say of themselves. package_test.py PROGRAMS."""

import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

from chart import ROOT, documented_settings, read

PROGRAMS = os.path.abspath(sys.argv.pop(1))
PACKAGE = f"{ROOT}/helm/package"
COMPLETE = f"{PACKAGE}/completion/complete"


def run(arguments, **environment):
    path = f"{PROGRAMS}:/usr/bin:/bin"
    return subprocess.run(arguments, env={"PATH": path, **environment}, capture_output=True,
                          text=True, timeout=60, check=False)


def complete(*words, **environment):
    return run([COMPLETE, *words], **environment).stdout.splitlines()


class ConfigurationTest(unittest.TestCase):
    def settings(self):
        return dict(re.findall(r"^# ([a-z_.]+): (.+)$", read(f"{PACKAGE}/synod.yaml"), re.M))

    def test_the_file_has_every_setting(self):
        self.assertEqual(set(self.settings()), documented_settings())

    def test_each_may_be_uncommented(self):
        # TLS is on for both ports or for neither: its settings come together.
        lines = {}
        for name, value in self.settings().items():
            key = "tls" if name.startswith("tls.") else name
            lines[key] = lines.get(key, "") + f"{name}: {value}\n"
        for text in lines.values():
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(text)
                file.flush()
                check = run([f"{PROGRAMS}/synodd", "--check-config", "--config", file.name,
                             "--data-dir", "/x"])
                self.assertEqual(check.returncode, 0, check.stderr)


class ManualTest(unittest.TestCase):
    def plain(self, page):
        return read(f"{PACKAGE}/man/{page}").replace("\\-", "-")

    def test_every_flag_of_the_server_is_there(self):
        flags = set(re.findall(r"--[a-z-]+", run([f"{PROGRAMS}/synodd", "--help"]).stdout.split(
            "\nExamples:")[0]))
        self.assertGreater(len(flags), 12)
        for flag in flags:
            self.assertIn(flag, self.plain("synodd.8"))

    def test_every_command_is_there(self):
        commands = complete("")
        self.assertGreater(len(commands), 15)
        for command in commands:
            self.assertIn(f"\\fB{command}\\fR", self.plain("synod.1"))


class CompletionTest(unittest.TestCase):
    def test_commands_and_flags(self):
        self.assertEqual(complete("me"), ["member"])
        self.assertEqual(complete("member", "pro"), ["promote"])
        self.assertEqual(complete("-o", "json", "lock", "rel"), ["release"])
        self.assertEqual(complete("--end"), ["--endpoints"])
        self.assertEqual(complete("put", "--le"), ["--lease"])
        self.assertEqual(complete("lock", "run", "/x", "--", "me"), [])

    def test_live_paths(self):
        address = f"127.{os.getpid() % 200 + 10}.9.1"
        with tempfile.TemporaryDirectory() as directory:
            node = subprocess.Popen(
                [f"{PROGRAMS}/synodd", "--data-dir", f"{directory}/d", "--client",
                 f"{address}:7301", "--peer", f"{address}:7302"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            endpoints = f"http://{address}:7301"
            try:
                deadline = time.monotonic() + 60
                while run(["synod", "put", "/app/config/a", "1"], SYNOD_ENDPOINTS=endpoints).returncode:
                    self.assertLess(time.monotonic(), deadline)
                run(["synod", "put", "/apple", "1"], SYNOD_ENDPOINTS=endpoints)
                run(["synod", "lock", "acquire", "/jobs/backup", "--ttl", "60s"],
                    SYNOD_ENDPOINTS=endpoints)
                self.assertEqual(complete("get", "/ap", SYNOD_ENDPOINTS=endpoints), ["/app", "/apple"])
                self.assertEqual(complete("--endpoints", endpoints, "get", "/app/c"), ["/app/config"])
                self.assertEqual(complete("lock", "get", "/jo", SYNOD_ENDPOINTS=endpoints),
                                 ["/jobs/backup"])
                shell = (f"source {PACKAGE}/completion/synod.bash; compopt() {{ :; }}; "
                         "COMP_WORDS=(synod get /app/); COMP_CWORD=2; _synod; echo ${COMPREPLY[*]}")
                self.assertEqual(run(["bash", "-c", shell], SYNOD_ENDPOINTS=endpoints,
                                     SYNOD_COMPLETE=COMPLETE).stdout, "/app/config\n")
            finally:
                node.kill()
                node.wait()
        # A cluster that does not answer costs no more than a moment.
        started = time.monotonic()
        self.assertEqual(complete("get", "/", SYNOD_ENDPOINTS=endpoints), [])
        self.assertLess(time.monotonic() - started, 20)


if __name__ == "__main__":
    unittest.main()
