"""The container image, checked without a container engine.

A build in the image has the files that the Dockerfile copies and .dockerignore
includes. These functions read both; they support only the simple rules in use and
fail for any other.
"""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib

import helm_python

from checks import check
from objects import PORTS
from rendered import CHART, container, pod, rendered

ROOT = CHART.parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
HADOLINT = pathlib.Path(helm_python.__file__).parents[1] / "bin" / "hadolint"
# Of gcr.io/distroless/cc: https://github.com/GoogleContainerTools/distroless
# base/README.md (glibc) and cc/README.md (libgcc).
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"}


@check
def hadolint_finds_nothing(_):
    done = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@check
def the_image_builds_with_the_command_of_the_makefile(_):
    makefile = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"^build:.*\n\t\$\(CARGO\) (.*)$", makefile, re.MULTILINE)
    assert f"cargo {recipe} " in DOCKERFILE.replace("\\\n", " "), recipe


@check
def the_image_builds_with_the_compiler_of_the_repository(_):
    channel = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    pinned = re.findall(r"^FROM (\S+)@sha256:[0-9a-f]{64}\b", DOCKERFILE, re.MULTILINE)
    assert len(pinned) == DOCKERFILE.count("\nFROM "), "each base image has a digest"
    build, run = pinned
    assert build.endswith(f"/rust:{channel}-slim-bookworm"), build
    # Debian 12 is bookworm: both stages have the same glibc.
    assert run == "gcr.io/distroless/cc-debian12:nonroot", run


@check
def the_build_has_every_source_of_the_binary(gateway):
    """The sources are those in the dependency files of the compiler."""
    copied = set(context())
    target = pathlib.Path(gateway.binary).parent
    notes = [*target.glob("deps/samegate-*.d"), *target.glob("deps/same_image-*.d")]
    words = {word for note in notes for word in note.read_text().replace(":", " ").split()}
    for output in target.glob("build/samegate-*/output"):
        words |= set(re.findall(r"rerun-if-changed=(\S+)", output.read_text()))
    paths = {os.path.normpath(word) for word in words if not word.startswith("/")}
    made_of = {path for path in paths if (ROOT / path).is_file()}
    for known in ("src/main.rs", "config/default.toml", "proto/samegate/v1/same_image.proto"):
        assert known in made_of, f"{known} is not in the dependency files"
    assert made_of <= copied, made_of - copied


@check
def the_manifest_is_valid_in_the_build(_):
    with tempfile.TemporaryDirectory() as folder:
        for name in context():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path)
        command = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@check
def the_build_excludes_targets_git_and_data(_):
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignored, "all files are included that are not named"
    for name in ("target/debug/samegate", ".git/config", ".tools/x", "samegate-data/x", ".env"):
        assert not passes(name), name


@check
def the_binary_needs_only_libraries_of_the_image(gateway):
    done = subprocess.run(["ldd", gateway.binary], capture_output=True, text=True, check=True)
    needed = set(re.findall(r"^\s*(\S+) => ", done.stdout, re.MULTILINE))
    assert "libc.so.6" in needed and needed <= LIBRARIES, needed - LIBRARIES


@check
def the_image_is_what_the_chart_expects(_):
    user, group = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE).groups()
    security = pod(rendered("defaults"))["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))
    (exposed,) = re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    assert [int(port) for port in exposed.split()] == list(PORTS.values())
    assert 'ENTRYPOINT ["/usr/bin/samegate"]' in DOCKERFILE
    assert "COPY --from=build /out/samegate /usr/bin/samegate" in DOCKERFILE
    # The chart gives arguments and no command: the entry point stays.
    assert "command" not in container(rendered("defaults"))


def context():
    """Files of the build stage."""
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            path = ROOT / source
            assert path.exists(), f"COPY {source}: does not exist"
            files = [path] if path.is_file() else path.rglob("*")
            names = (str(file.relative_to(ROOT)) for file in files if file.is_file())
            yield from filter(passes, names)


def passes(name):
    """Whether .dockerignore includes a file: the last rule that matches it or a
    parent folder decides."""
    kept = True
    parents = [name, *map(str, pathlib.PurePath(name).parents)]
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        if rule and not rule.startswith("#"):
            assert "**" not in rule, rule
            pattern, keeps = rule.removeprefix("!"), rule.startswith("!")
            if any(level(parent) == level(pattern) and fnmatch.fnmatch(parent, pattern) for parent in parents):
                kept = keeps
    return kept


def level(path):
    return path.count("/")
