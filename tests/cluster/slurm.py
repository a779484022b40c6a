"""A SLURM of one machine for the tests: munged, slurmctld and slurmd of Debian, started and stopped here."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path("/etc/slurm/slurm.conf")  # the only place where every job finds it: the executor clears SLURM_CONF
GRES = CONFIG.with_name("gres.conf")
MARK = "# Written by the cluster tests of canids; removed when they end.\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "setpriv")


@dataclass(frozen=True)
class Job:
    """What SLURM tells of a job, as ``scontrol show job`` has it."""

    number: int
    facts: dict[str, str]

    @property
    def what(self) -> str:
        """``rule_<rule>_wildcards_…``, or ``rule_<group>_<group>``: the executor's comment."""
        return self.facts["Comment"]

    @property
    def rule(self) -> str:
        """Rule, or name of the group of jobs (a rule has no hyphen, a group has one and stands there twice)."""
        name = self.what.partition("_wildcards_")[0].removeprefix("rule_")
        return name.partition("_")[0] if "-" in name else name

    @property
    def state(self) -> str:
        return self.facts["JobState"]

    @property
    def gpus(self) -> int:
        """GPUs asked for."""
        asked = re.search(r"gres:gpu:(\d+)", self.facts.get("TresPerJob", ""))
        return int(asked[1]) if asked else 0

    @property
    def running_time(self) -> tuple[str, str]:
        """Start and end, to the second, in a form that sorts."""
        return self.facts["StartTime"], self.facts["EndTime"]


class Slurm:
    """The running scheduler: two cores or more, and one GPU that is only counted."""

    def __init__(self) -> None:
        if CONFIG.exists() and not CONFIG.read_text().startswith(MARK):
            raise RuntimeError(f"{CONFIG} belongs to another SLURM; the tests start their own and need the place")
        # Not pytest's own folder: munged wants one that everyone may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="canids-slurm-"))
        self.folder.chmod(0o755)
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Start the three daemons and wait until the node takes jobs."""
        key, socket_path = self.folder / "munge.key", self.folder / "munge.socket"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        CONFIG.parent.mkdir(exist_ok=True)
        CONFIG.write_text(MARK + self._configuration(socket_path))
        GRES.write_text(MARK + "Name=gpu File=/dev/null\n")
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self._launch(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}",
            f"--log-file={self.folder}/munged.log", f"--pid-file={self.folder}/munged.pid",
            f"--seed-file={self.folder}/munged.seed", "--num-threads=2",
        )  # fmt: skip
        self._wait(socket_path.exists, "munged opens its socket")
        self._launch("slurmctld", "-D")
        self._launch("slurmd", "-D")
        self.wait_for_node()

    def stop(self) -> None:
        """Cancel what runs, stop the daemons and remove every file that was written."""
        try:
            if "slurmd" in self.daemons:
                subprocess.run(["scancel", "--user=root"], capture_output=True, check=False, timeout=20)
                self._wait(lambda: not any(j.state in ("RUNNING", "COMPLETING") for j in self.jobs()), "jobs end")
        except (RuntimeError, subprocess.SubprocessError):
            pass  # the daemons are stopped all the same
        finally:
            for daemon in reversed(self.daemons.values()):
                daemon.terminate()
            for daemon in self.daemons.values():
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
            CONFIG.unlink(missing_ok=True)
            GRES.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def restart_slurmd(self, kill: bool = False) -> None:
        """Stop the node's daemon, its jobs going on, and start it again."""
        daemon = self.daemons.pop("slurmd")
        daemon.kill() if kill else daemon.terminate()
        daemon.wait(20)
        self._launch("slurmd", "-D")
        self.wait_for_node()

    def wait_for_node(self) -> None:
        self._wait(lambda: run("sinfo", "--noheader", "--format=%T").strip() in ("idle", "mixed", "allocated"), "node")

    def jobs(self) -> list[Job]:
        """All jobs that the controller remembers, oldest first."""
        shown = run("scontrol", "--oneliner", "show", "jobs")
        facts = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in shown.splitlines() if line.startswith("JobId=")]
        return sorted((Job(int(each["JobId"]), each) for each in facts), key=lambda job: job.number)

    def job(self, number: int) -> Job:
        return next(job for job in self.jobs() if job.number == number)

    def wait_for_job(self, rule: str, state: str, after: int = 0, timeout: float = 120) -> Job:
        """The first job of a rule, with a number above ``after``, that is seen in a state."""
        found: list[Job] = []

        def seen() -> bool:
            found[:] = [j for j in self.jobs() if j.rule == rule and j.state == state and j.number > after]
            return bool(found)

        self._wait(seen, f"a job of {rule} is {state}", timeout)
        return found[0]

    def _launch(self, name: str, *arguments: str) -> None:
        # The kernel ends the daemon when the tests end in any way, kill -9 included.
        command = ["setpriv", "--pdeathsig", "TERM", name, *arguments]
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
        end = time.monotonic() + timeout
        while not condition():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.out').read_text()[-2000:]}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited {timeout:.0f} s in vain: {what}\n{run('scontrol', 'show', 'jobs')[-3000:]}")
            time.sleep(0.2)

    def _configuration(self, socket_path: Path) -> str:
        host = socket.gethostname()
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        # No accounting, no cgroups: what is to be had in a container. Memory is watched by polling (every second).
        return f"""ClusterName=canids
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={socket_path}
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=60
KillWait=10
MinJobAge=3600
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """What the tests need and the machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def run(*command: str) -> str:
    """Standard output of a command, empty where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
