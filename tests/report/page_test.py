#!/usr/bin/env python3
"""salf report's page as a reader sees it, in headless Chromium.

usage: page_test.py SALF [--screenshots FOLDER]      exit code 77: skipped, Chromium is missing
"""
import fcntl
import html.parser
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chromium
import sample_run

SECTIONS = ["decision", "savings", "quality", "layers", "budget", "run", "basis", "repeat"]
problems = []


def check(condition, message):
    if not condition:
        problems.append(message)


def report(salf, output, *runs, options=()):
    subprocess.run([salf, "report", *runs, "-o", output, *options], check=True, stdout=subprocess.DEVNULL)
    return output


def member(document, path):
    for name, index in re.findall(r"([A-Za-z_0-9]+)|\[(\d+)\]", path):
        document = document[int(index)] if index else document[name]
    return document


class Figures(html.parser.HTMLParser):
    """Every <data data-json> with the run it belongs to and the text that is shown (English or both)."""

    def __init__(self):
        super().__init__()
        self.runs, self.depth, self.open, self.found = [], 0, None, []
        self.hidden = 0

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in ("div", "span"):
            self.depth += 1
            if "data-run" in attributes:
                self.runs.append((self.depth, int(attributes["data-run"])))
        if tag == "span" and attributes.get("lang") == "ja":
            self.hidden = self.depth
        if tag == "data":
            self.open = [self.runs[-1][1] if self.runs else 0, attributes.get("data-json"), attributes["value"], ""]

    def handle_endtag(self, tag):
        if tag in ("div", "span"):
            if self.hidden == self.depth:
                self.hidden = 0
            if self.runs and self.runs[-1][0] == self.depth:
                self.runs.pop()
            self.depth -= 1
        if tag == "data" and self.open:
            self.found.append(tuple(self.open))
            self.open = None

    def handle_data(self, data):
        if self.open and not self.hidden:
            self.open[3] += data


UNITS = {"": 1, "%": 0.01, "s": 1, "ms": 1e-3, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
UNITS.update({prefix + "FLOP": 10 ** (3 * i) for i, prefix in enumerate(["", "k", "M", "G", "T", "P", "E"])})


def shown_number(text):
    """The number in "1,234.5 MB" and how far rounding may have moved it; None for times like "1 min 05 s"."""
    match = re.fullmatch(r"(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)[\s\u00a0]*([A-Za-z%]*)", text.strip())
    if not match or match[2] not in UNITS:
        return None
    digits = match[1].replace(",", "")
    exponent = int(digits.split("e")[1]) if "e" in digits else 0
    decimals = len(digits.split("e")[0].split(".")[1]) if "." in digits else 0
    return float(digits) * UNITS[match[2]], 0.5001 * 10.0 ** (exponent - decimals) * UNITS[match[2]]


def check_numbers(page, folders):
    documents = []
    for folder in folders:
        documents.append({name: json.load(open(os.path.join(folder, name + ".json"), encoding="utf-8")) for name in ("run", "profile")})
    figures = Figures()
    figures.feed(open(page, encoding="utf-8").read())
    compared = set()
    for run, path, value, shown in figures.found:
        number = shown_number(shown)
        if number:
            check(abs(number[0] - float(value)) <= number[1] + 1e-12 * abs(float(value)), f"shown {shown!r} is not {value} ({path})")
        if not path:
            continue
        compared.add(path)
        expected = member(documents[run], path)
        check(float(value) == float(expected), f"{path} of run {run}: {expected} in the file, {value} on the page")
    for path in ("run.best.loss", "run.plan.eof", "profile.deviations[0].deviation[7]", "run.measured_seconds.backward", "run.flops"):
        check(path in compared, f"{path} does not stand on the page")
    check(len(compared) > 150, f"only {len(compared)} figures were compared")


def overflow(browser):
    return browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def check_views(browser, url, name, screenshots):
    browser.open(url)
    check(browser.run("document.title").startswith("salf: "), f"{name}: the title was changed by a document")
    found = browser.run("Array.from(document.querySelectorAll('main section')).map(s => s.id)")
    check(found == SECTIONS, f"{name}: sections {found}")
    for width in (1440, 360):
        browser.size(width, 900, width < 500)
        for language in ("en", "ja"):
            browser.run(f"document.querySelector('button[data-set=\"lang={language}\"]').click()")
            hidden = "ja" if language == "en" else "en"
            left = browser.run(f"Array.from(document.querySelectorAll('body [lang={hidden}]')).filter(e => e.offsetParent !== null).length")
            check(left == 0, f"{name} {language}: {left} texts of the other language are visible")
            for theme in ("light", "dark"):
                browser.run(f"document.querySelector('button[data-set=\"theme={theme}\"]').click()")
                view = f"{name}-{width}-{language}-{theme}"
                paper = browser.run("getComputedStyle(document.body).backgroundColor")
                check((paper == "rgb(255, 255, 255)") == (theme == "light"), f"{view}: background {paper}")
                check(overflow(browser) <= 0, f"{view}: {overflow(browser)} pixels too wide")
                if screenshots:
                    browser.screenshot(os.path.join(screenshots, view + ".png"))
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        check(overflow(browser) <= 0, f"{name}-{width}: with its tables open {overflow(browser)} pixels too wide")
        browser.run("document.querySelectorAll('details').forEach(d => d.open = false)")
    empty = browser.run("Array.from(document.querySelectorAll('dl.terms dd, section h2')).filter(e => !e.textContent.trim()).length")
    check(empty == 0, f"{name}: {empty} terms without an explanation")
    tables = browser.run("Array.from(document.querySelectorAll('figure svg.chart[aria-label]:not([aria-label=blocks])'))"
                         ".filter(s => !s.closest('figure').querySelector('table')).length")
    check(tables == 0, f"{name}: {tables} charts without a table")
    injected = browser.run("document.querySelectorAll('main script, main img, main iframe, main [onerror]').length")
    check(injected == 0, f"{name}: {injected} elements came out of a document")
    outside = browser.run("Array.from(document.querySelectorAll('[src],[href]')).map(e => e.getAttribute('src') || e.getAttribute('href'))"
                          ".filter(u => !u.startsWith('#') && u !== 'data:,')")
    check(outside == [], f"{name}: refers to {outside}")
    for complaint in browser.complaints():
        problems.append(f"{name}: {complaint}")
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.size(794, 1123)
    check(overflow(browser) <= 0, f"{name}: {overflow(browser)} pixels too wide on paper")
    check(browser.run("getComputedStyle(document.querySelector('nav')).display") == "none", f"{name}: the menu is printed")
    if screenshots:
        browser.screenshot(os.path.join(screenshots, name + "-print.png"))
    browser.call("Emulation.setEmulatedMedia", media="")


def check_follow(browser, salf):
    """A run that goes on: the page follows what is written, asks nobody but its own server, and ends with the run."""
    sample_run.write("going", steps=100)
    path = os.path.join("going", "run.json")
    with open(path, encoding="utf-8") as file:
        record = json.load(file)

    def set_status(status):
        record["status"] = status
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(path + ".new", path)

    set_status("running")
    with open(os.path.join("going", ".salf.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = subprocess.Popen([salf, "report", "--follow", "going", "--quiet"], stdout=subprocess.PIPE, text=True)
        address = server.stdout.readline().strip()
        check(address.startswith("http://127.0.0.1:"), f"--follow printed {address!r}")
        refused = urllib.request.Request(address, headers={"Host": "evil.example"})
        try:
            urllib.request.urlopen(refused, timeout=300)
            check(False, "a request under another name was answered")
        except urllib.error.HTTPError as error:
            check(error.code == 403, f"a request under another name got {error.code}")
        browser.open(address)
        check(browser.run("document.body.innerText.includes('still running')"), "the followed page does not say that the run goes on")
        browser.run("document.querySelector('details').open = true")
        set_status("finished")
        script = ("new Promise(done => { const end = Date.now() + 300000; const look = () => document.body.innerText.includes('finished: all')"
                  " ? done(true) : Date.now() > end ? done(false) : setTimeout(look, 100); look(); })")
        check(browser.run(script), "the followed page did not change with the run")
        check(browser.run("document.querySelector('details').open"), "what was unfolded is folded again")
        for complaint in browser.complaints():
            check(complaint.startswith("request: " + address), f"follow: {complaint}")
        try:
            check(server.wait(timeout=300) == 0, f"--follow ended with {server.returncode}")
        except subprocess.TimeoutExpired:
            server.kill()
            check(False, "--follow did not end with the run")


def main():
    salf = os.path.abspath(sys.argv[1])
    screenshots = sys.argv[3] if len(sys.argv) > 3 and sys.argv[2] == "--screenshots" else None
    if chromium.find() is None:
        print("SKIPPED: Chromium is missing (Debian package chromium); the page was not opened")
        return 77
    with tempfile.TemporaryDirectory(prefix="salf-page-") as work:
        os.chdir(work)
        sample_run.write("run-cut", text="model")
        sample_run.write("run-full", eof=0, steps=400, best=1.7012, seed=2)
        hostile = "run <b>&'\"" + "\u202e"
        sample_run.write(hostile, steps=500, text=sample_run.HOSTILE)
        pages = {"one": report(salf, "one.html", "run-cut"), "three": report(salf, "three.html", "run-cut", "run-full", hostile),
                 "ja": report(salf, "ja.html", hostile, options=("--lang", "ja", "--no-text"))}
        size = os.path.getsize("one.html")
        check(size < 1.5e6, f"one run of 10,000 steps makes a page of {size} bytes")
        check("word</td>" not in open("ja.html", encoding="utf-8").read(), "--no-text left words of the data on the page")
        check_numbers("one.html", ["run-cut"])
        check_numbers("three.html", ["run-cut", "run-full", hostile])
        browser = chromium.Chromium()
        try:
            for name, page in pages.items():
                check_views(browser, "file://" + os.path.abspath(page), name, screenshots)
            check_follow(browser, salf)
        finally:
            browser.close()
    for problem in problems:
        print("FAILED:", problem)
    print(f"{len(problems)} problems; the page of 10,000 steps has {size} bytes")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
