"""Images that are really built and run: by podman, where no registry is reached and no engine waits for orders."""

import json
import os
import resource
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PREFIX = "localhost/sluice-test-"
BASE = f"{PREFIX}python:3.11-bookworm"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
SERVING, FLOWS = f"{PREFIX}serving:{VERSION}", f"{PREFIX}flows:{VERSION}"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# As deployments/compose.yaml runs everything of ours.
CONTAINED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--tmpfs=/tmp")


def missing() -> list[str]:
    """Programs that are not here; without them nothing can be built."""
    wanted = ["podman"] if os.environ.get("SLUICE_TEST_PYTHON_IMAGE") else ["podman", "debootstrap"]
    return [name for name in wanted if shutil.which(name) is None]


class Podman:
    """podman on this machine: its own network, and no more open files than it has.

    Args:
        folder: for its configuration.
        within: a command that runs another one, in a network namespace.
    """

    def __init__(self, folder: Path, within: Sequence[str] = ()) -> None:
        self._folder, self._within = folder, within
        # No more than a process here may have itself, or no container starts.
        files, processes = (resource.getrlimit(limit)[1] for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        files, processes = (
            min(most, bound) if bound > 0 else most for most, bound in ((20_000, files), (4_096, processes))
        )
        limits = [f"nofile={files}:{files}", f"nproc={processes}:{processes}"]
        configuration = folder / "containers.conf"
        configuration.write_text(
            f'[containers]\nnetns = "host"\ndefault_ulimits = {json.dumps(limits)}\n'
            # Neither a systemd to make groups nor a journal.
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        self.env = {**os.environ, "CONTAINERS_CONF": str(configuration)}

    def __call__(self, *arguments: str, timeout: float = 600, check: bool = True) -> str:
        """Its standard output. A failure shows what it said."""
        done = subprocess.run(
            [*self._within, "podman", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"podman {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def run(
        self, image: str, *command: str, options: Sequence[str] = (), check: bool = True, timeout: float = 300
    ) -> str:
        """A command in a new container, contained as in production."""
        return self("run", "--rm", *CONTAINED, *options, image, *command, check=check, timeout=timeout)

    def image(self, name: str) -> Any:
        (found,) = json.loads(self("image", "inspect", name))
        return found

    def base(self) -> str:
        """The image that ours are made from: the one that the environment names, or Debian with its Python."""
        if given := os.environ.get("SLUICE_TEST_PYTHON_IMAGE"):
            return given
        if subprocess.run(["podman", "image", "exists", BASE], env=self.env, check=False).returncode:
            root = self._folder / "debian"
            packages = "--include=python3,python3-venv,ca-certificates"
            subprocess.run(
                ["debootstrap", "--variant=minbase", packages, "bookworm", str(root)], check=True, timeout=900
            )
            shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
            shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
            path = "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
            archive = self._folder / "debian.tar"
            subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True, timeout=300)
            self("import", "--change", path, str(archive), BASE)
            shutil.rmtree(root)
            archive.unlink()
        return BASE

    def trusted(self) -> list[str]:
        """Options of a build: the certificates that this machine trusts, as a network with its own authority needs."""
        pip, uv = self._folder / "pip.conf", self._folder / "uv.toml"
        pip.write_text(f"[global]\ncert = {CERTIFICATES}\n")
        uv.write_text("system-certs = true\n")
        mounts = {CERTIFICATES: CERTIFICATES, pip: "/etc/pip.conf", uv: "/etc/uv/uv.toml"}
        return [f"--volume={source}:{target}:ro" for source, target in mounts.items()]

    def make(self, target: str, timeout: float = 1800) -> str:
        """``make TARGET`` with podman, on the base of this machine."""
        options = ["--network=host", f"--build-arg=PYTHON_IMAGE={self.base()}", *self.trusted()]
        variables = {"ENGINE": "podman", "IMAGE_PREFIX": PREFIX, "BUILD_OPTIONS": " ".join(options)}
        done = subprocess.run(
            ["make", target, *(f"{name}={value}" for name, value in variables.items())],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def build(self, containerfile: str, context: Path, tag: str, check: bool = True) -> str:
        """An image from a text."""
        file = self._folder / "Containerfile"
        file.write_text(containerfile)
        options = ["--network=host", *self.trusted(), f"--file={file}", f"--tag={tag}"]
        return self("build", *options, str(context), check=check, timeout=600)


def options(environment: Mapping[str, str], *more: str) -> list[str]:
    """Options of `Podman.run` that give it these variables."""
    return [*(f"--env={name}={value}" for name, value in environment.items()), *more]
