"""Tests of guest/report. Usage: python3 report_test.py FOLDER-OF-REPORT"""

import importlib.util
import json
import os
import select
import signal
import sys
import tempfile
import threading
import time
import unittest
from importlib.machinery import SourceFileLoader

sys.dont_write_bytecode = True
loader = SourceFileLoader("report", os.path.join(sys.argv.pop(1), "report"))
report = importlib.util.module_from_spec(importlib.util.spec_from_loader("report", loader))
loader.exec_module(report)


class TestReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name + "/"
        os.mkdir(self.root + "probes")
        report.SCRATCH = report.RUN = self.root
        report.WORK, report.GUARD, report.PROBES = self.root + "work", self.root + "guard", self.root + "probes/"
        report.CHECK_LIMIT = report.CHECK_INTERVAL = 3600

    def write(self, name, text=""):
        with open(self.root + name, "w", encoding="utf-8") as file:
            file.write(text)
        return self.root + name

    def program(self, name, text, mode=0o755):
        path = self.write(name, "#!/bin/sh\n" + text + "\n")
        os.chmod(path, mode)
        return path

    def checked(self, text):
        result = report.check(self.program("check", text))
        return result["ok"], result["text"]

    def until(self, condition):
        while not condition():
            time.sleep(0.05)

    def test_check(self):
        self.assertEqual(self.checked("echo up"), (True, "up"))
        self.assertEqual(self.checked("true"), (True, ""))
        self.assertEqual(self.checked("echo; echo '  two  '; echo three; exit 7"), (False, "two"))
        self.assertEqual(self.checked("exit 3"), (False, "failed with status 3"))
        self.assertEqual(self.checked("kill -9 $$"), (False, "failed with status -9"))
        self.assertEqual(self.checked("echo wrong >&2; exit 1"), (False, "wrong"))
        self.assertEqual(self.checked("cat"), (True, ""))

    def test_text(self):
        self.assertEqual(self.checked(r"printf '\033[2J\000a\007\342\200\256b\n'"), (True, "[2Jab"))
        self.assertEqual(self.checked(r"printf '\377x'"), (True, "\ufffdx"))
        self.assertEqual(self.checked("yes ä | head -n 9999 | tr -d '\\n'"), (True, 200 * "ä"))

    def test_what_cannot_be_run(self):
        for path in (self.program("check", "true", 0o644), self.root + "none"):
            result = report.check(path)
            self.assertFalse(result["ok"])
            self.assertIn("cannot be run: ", result["text"])

    def test_limit(self):
        report.CHECK_LIMIT = 1
        os.mkfifo(self.root + "open")
        fifo = os.open(self.root + "open", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, fifo)
        said = self.checked("exec 9>%sopen; echo up >&9; sleep infinity & sleep infinity" % self.root)
        self.assertEqual(said, (False, "no answer within 1 s"))
        self.assertEqual(os.read(fifo, 9), b"up\n")
        select.select([fifo], [], [])
        self.assertEqual(os.read(fifo, 9), b"", "what it started still runs")

    def test_who_stays_behind_is_not_waited_for(self):
        ok, text = self.checked("sleep infinity & echo $!")
        self.assertTrue(ok)
        os.kill(int(text), signal.SIGKILL)

    def test_checks(self):
        checks = report.Checks()
        checks.forget("running")
        self.assertIsNone(checks.guard())
        self.assertEqual(checks.probes(), [])
        self.program("guard", "until [ -e %sgo ]; do sleep 0.1; done; cat %sanswer" % (self.root, self.root))
        self.program("probes/tunnel", "echo up")
        self.program("probes/dns", "exit 1")
        self.program("probes/.new", "echo half")
        self.assertEqual(checks.guard(), {"ok": False, "text": "not checked yet"})
        self.write("answer", "closed")
        self.write("go")
        threading.Thread(target=checks.run, daemon=True).start()
        probes = [{"name": "dns", "ok": False, "text": "failed with status 1"}, {"name": "tunnel", "ok": True, "text": "up"}]
        self.until(lambda: checks.probes() == probes)
        self.assertEqual(checks.guard(), {"ok": True, "text": "closed"})

        checks.forget("running")
        self.assertEqual(checks.guard(), {"ok": True, "text": "closed"})
        os.unlink(self.root + "go")
        self.write("answer", "closed again")
        checks.forget("done")
        self.assertEqual(checks.guard(), {"ok": False, "text": "not checked yet"})
        self.assertEqual(checks.probes()[1], {"name": "tunnel", "ok": False, "text": "not checked yet"})
        self.write("go")
        self.until(lambda: checks.guard() == {"ok": True, "text": "closed again"})
        self.until(lambda: checks.probes() == probes)
        os.unlink(self.root + "guard")
        self.assertIsNone(checks.guard())

    def test_report(self):
        report.addresses = lambda: []
        self.write("result.json", '{"v1": {"errors": []}}')
        state = json.loads(json.dumps(report.report(1, report.Checks())))
        self.assertEqual((state["cloud_init"], state["guard"], state["probes"]), ("done", None, []))

    def test_work(self):
        self.write("status.json", '{"v1": {"stage": "modules-final"}}')
        self.write("work")
        self.assertEqual(report.cloud_init(), ("running", "modules-final", []))
        self.write("work", "role vpn: starting a.service\n")
        self.write("result.json", '{"v1": {"errors": []}}')
        self.assertEqual(report.cloud_init(), ("running", "role vpn: starting a.service", []))
        os.unlink(self.root + "work")
        self.assertEqual(report.cloud_init(), ("done", "", []))


if __name__ == "__main__":
    unittest.main()
