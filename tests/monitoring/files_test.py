"""Alert rules, dashboard, units and completion: they fit the programs as they are."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

SOURCE = Path(sys.argv[1])
BUILD = Path(sys.argv[2])
BIN = BUILD / "bin"
MONITORING = SOURCE / "docs" / "monitoring"
RULES = MONITORING / "mirrorfs.rules.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"


def run(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)


def known_metrics() -> set[str]:
    """The names in the code that prints them."""
    code = (SOURCE / "fs" / "ctl" / "metrics.cpp").read_text()
    return set(re.findall(r'"(mirrorfs_[a-z_]+)"', code))


def absent_mirror(directory: str) -> dict[str, str]:
    """An environment in which one mirror should be there and is not."""
    fstab = Path(directory) / "fstab"
    fstab.write_text(f"/s {directory}/mnt mirrorfs dst=/d 0 0\n")
    return {"LIBMOUNT_FSTAB": str(fstab), "PATH": "/usr/bin:/bin", "HOME": directory}


class Metrics(unittest.TestCase):
    def test_rules_and_dashboard_ask_for_metrics_that_exist(self):
        for file in (RULES, DASHBOARD):
            asked = set(re.findall(r"\bmirrorfs_[a-z_]+", file.read_text()))
            self.assertTrue(asked)
            self.assertEqual(asked - known_metrics(), set(), file.name)

    def test_every_panel_of_the_dashboard_has_a_place_and_a_query(self):
        dashboard = json.loads(DASHBOARD.read_text())
        places = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            places.add((place["x"], place["y"]))
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for target in panel["targets"]:
                self.assertIn("mirrorfs_", target["expr"], panel["title"])
        self.assertEqual(len(places), len(dashboard["panels"]))


@unittest.skipUnless(shutil.which("promtool"), "promtool (Debian: prometheus) is missing")
class Prometheus(unittest.TestCase):
    def test_promtool_accepts_rules_and_they_fire(self):
        for words in (
            ("promtool", "check", "rules", str(RULES)),
            ("promtool", "test", "rules", str(Path(__file__).parent / "rules.test.yml")),
        ):
            checked = run(*words)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_promtool_accepts_the_text(self):
        with tempfile.TemporaryDirectory() as directory:
            text = run(str(BIN / "mirrorctl"), "metrics", env=absent_mirror(directory)).stdout
        self.assertIn('mirrorfs_up{mount="', text)
        checked = run("promtool", "check", "metrics", input=text)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_a_real_prometheus_loads_rules_and_text(self):
        with tempfile.TemporaryDirectory() as directory, PrometheusOf(directory) as server:
            # The machine may have other mirrors.
            ours = f'mount="{directory}/mnt"'
            samples = server.wait_for("mirrorfs_up{" + ours + "}")
            self.assertEqual([sample["value"][1] for sample in samples], ["0"])
            alerts = server.wait_for('ALERTS{alertname="MirrorDown",' + ours + "}")
            self.assertEqual(alerts[0]["metric"]["severity"], "critical")


class PrometheusOf:
    """A Prometheus that scrapes what mirrorctl prints for a mirror that is not there."""

    def __init__(self, directory: str):
        self.directory = Path(directory)
        self.children: list[subprocess.Popen] = []

    def __enter__(self):
        text = run(str(BIN / "mirrorctl"), "metrics", env=absent_mirror(str(self.directory))).stdout
        (self.directory / "www").mkdir()
        (self.directory / "www" / "metrics").write_text(text)
        port, self.port = 19470, 19471
        self.start(
            sys.executable,
            "-m",
            "http.server",
            str(port),
            "--bind",
            "127.0.0.1",
            "--directory",
            str(self.directory / "www"),
        )
        config = self.directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{RULES}']\n"
            "scrape_configs:\n"
            f"  - {{job_name: m, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
        )
        self.start(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )
        return self

    def start(self, *words: str):
        self.children.append(
            subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()

    def wait_for(self, query: str) -> list[dict]:
        url = f"http://127.0.0.1:{self.port}/api/v1/query?query={urllib.request.quote(query)}"
        for _ in range(300):
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    result = json.load(answer)["data"]["result"]
                    if result:
                        return result
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"nothing for {query}")


class Units(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    def test_systemd_finds_nothing_wrong(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = (BUILD / "mount-scripts" / "mirrorfs@.service").read_text()
            unit = re.sub(r"ExecStart=\S*/mirrorfs", f"ExecStart={BIN}/mirrorfs", unit)
            (Path(directory) / "mirrorfs@.service").write_text(unit)
            metrics = (MONITORING / "mirrorfs-metrics.service").read_text()
            metrics = metrics.replace("/usr/bin/mirrorctl", str(BIN / "mirrorctl"))
            (Path(directory) / "mirrorfs-metrics.service").write_text(metrics)
            shutil.copy(MONITORING / "mirrorfs-metrics.timer", directory)
            for name in ("mirrorfs@test.service", "mirrorfs-metrics.timer"):
                checked = run(
                    "systemd-analyze",
                    "verify",
                    "--man=no",
                    f"{directory}/{name}",
                    env={"SYSTEMD_UNIT_PATH": f"{directory}:", "PATH": "/usr/bin:/bin"},
                )
                ours = [
                    line
                    for line in (checked.stdout + checked.stderr).splitlines()
                    if "mirrorfs" in line
                ]
                self.assertEqual(ours, [], name)

    def test_a_refusal_is_not_tried_again(self):
        unit = (SOURCE / "mount-scripts" / "mirrorfs@.service.in").read_text()
        self.assertIn("RestartPreventExitStatus=2", unit)
        self.assertIn("AssertPathExists=", unit)
        self.assertNotIn("ConditionPathExists=", unit)


def completed(program: str, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = (
        f'. "{BUILD}/completions/{program}"; compopt() {{ :; }}; COMP_WORDS=("$@"); '
        f'COMP_CWORD=$(($# - 1)); _{program}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    return run("bash", "-euc", script, "bash", program, *words).stdout.split()


def specified(program: str, *words: str) -> list[str]:
    """What the function for zsh has compadd or _arguments offer for the last of the words."""
    script = (
        'words=("$@"); CURRENT=$#words; _arguments() { print -rl -- "$@" }; '
        'compadd() { print -rl -- "$@" }; '
        f'complete_it() {{ . "{BUILD}/completions/_{program}" }}; complete_it'
    )
    shown = run("zsh", "-fc", script, "zsh", program, *words)
    return [line for line in shown.stdout.splitlines() if line not in ("-s", "-S", ":", "--")]


def options_in(specifications: list[str]) -> set[str]:
    """'*--exclude=:a pattern: ' is for --exclude."""
    found = (re.match(r"\*?(--[a-z-]+)", one) for one in specifications)
    return {match.group(1) for match in found if match}


class Completion(unittest.TestCase):
    def test_lists_each_option_of_mirrorfs(self):
        text = run(str(BIN / "mirrorfs"), "--help").stdout
        documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
        offered = {word.rstrip("=") for word in completed("mirrorfs", "--")}
        self.assertGreater(len(documented), 15)
        self.assertEqual(documented - offered, set())
        self.assertEqual(offered - documented, set(), "not in --help")

    def test_lists_each_command_and_option_of_mirrorctl(self):
        lines = re.findall(
            r"^  mirrorctl (\w+) +(.*)$", run(str(BIN / "mirrorctl"), "--help").stdout, re.MULTILINE
        )
        self.assertGreater(len(lines), 8)
        self.assertEqual({name for name, _ in lines} - set(completed("mirrorctl", "")), set())
        for name, usage in lines:
            documented = set(re.findall(r"--[a-z-]+", usage))
            offered = {word.rstrip("=") for word in completed("mirrorctl", name, "--")}
            self.assertEqual(documented | {"--help"}, offered, name)

    def test_offers_the_values(self):
        self.assertEqual(completed("mirrorfs", "--mode", "=", ""), ["async", "fsync", "sync"])
        self.assertEqual(completed("mirrorfs", "--mode", "=", "f"), ["fsync"])
        self.assertEqual(completed("mirrorctl", "sync", "--check", "=", ""), ["quick", "full"])
        self.assertIn("queue-size=", completed("mirrorctl", "set", "/m", "q"))

    def test_zsh_has_the_same(self):
        text = run(str(BIN / "mirrorfs"), "--help").stdout
        documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
        self.assertEqual(documented, options_in(specified("mirrorfs", "--")))
        for name in specified("mirrorctl", ""):
            if name.startswith("-"):
                continue
            offered = {word.rstrip("=") for word in completed("mirrorctl", name, "--")}
            self.assertEqual(offered, options_in(specified("mirrorctl", name, "--")), name)
        self.assertIn("--mode=:async, fsync or sync:(async fsync sync)", specified("mirrorfs", ""))
        self.assertIn("--textfile=:a file:_files", specified("mirrorctl", "metrics", ""))
        for program in ("_mirrorfs", "_mirrorctl"):
            self.assertEqual(run("zsh", "-n", f"{BUILD}/completions/{program}").stderr, "")

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is missing")
    def test_is_clean_shell(self):
        for program in ("mirrorfs", "mirrorctl"):
            checked = run("shellcheck", "--shell=bash", f"{BUILD}/completions/{program}")
            self.assertEqual(checked.returncode, 0, checked.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
