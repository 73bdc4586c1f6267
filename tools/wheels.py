"""Fill the folder wheels with every package that a learner needs, for a place without network.

    make wheels                       for this computer and its Python
    make wheels FOR="windows 3.12"    for another; without make: python tools/course.py wheels windows 3.12

Each kind of computer has a folder of its own, such as wheels/windows-3.12. Where the course finds the folder
of its own kind, its first run installs from there and asks no network.
"""

import shutil
import sys
import tomllib

import course
from packaging.requirements import Requirement

# pip takes the names of platforms as they are: each older one that a computer can use must be named, too.
MANYLINUX = [*(f"manylinux_2_{minor}" for minor in range(28, 4, -1)), "manylinux2014", "manylinux1"]
PLATFORMS = {
    "linux": [f"{name}_x86_64" for name in (*MANYLINUX, "linux")],
    "linux-arm": [f"{name}_aarch64" for name in (*MANYLINUX, "linux")],
    "macos": ["macosx_12_0_arm64"],
    "macos-intel": ["macosx_12_0_x86_64"],
    "windows": ["win_amd64"],
}
# In pins, computers are told apart by these. pip would look them up on the computer that it runs on.
MARKERS = {
    "linux": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    "macos": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    "windows": {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
}
PYTHONS = [f"3.{minor}" for minor in range(course.OLDEST[1], course.NEWEST[1] + 1)]


def packages(system, python):
    """What must lie in the folder: the pins for this system, and what builds the course's own package."""
    lines = [
        line
        for name in (course.LEARNER, course.NO_DEPS)
        for line in (course.ROOT / name).read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    project = tomllib.loads((course.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    computer = {
        **MARKERS[system.split("-")[0]],
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    wanted = []
    for requirement in map(Requirement, [*lines, *project["build-system"]["requires"], "wheel"]):
        if requirement.marker is None or requirement.marker.evaluate(computer):
            requirement.marker = None
            wanted.append(str(requirement))
    return wanted


def download(system, python):
    """Fill the folder of one kind of computer, and give it. It appears when it is whole."""
    folder = course.ROOT / "wheels" / f"{system}-{python}"
    half = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    print(f"Fetching the packages for {system} and Python {python}. This takes a minute or two", flush=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += [
        "--only-binary",
        ":all:",
        "--dest",
        str(half),
        "--python-version",
        python,
        "--implementation",
        "cp",
    ]
    pip += [part for name in PLATFORMS[system] for part in ("--platform", name)]
    course.step(*pip, *packages(system, python))
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)
    return folder


def main(words):
    if len(words) != 2 or words[0] not in PLATFORMS or words[1] not in PYTHONS:
        sys.exit(
            f"Name a system ({', '.join(PLATFORMS)}) and a Python ({', '.join(PYTHONS)}), like this: "
            'make wheels FOR="windows 3.12", or without make: python tools/course.py wheels windows 3.12'
        )
    folder = download(*words)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    place = f"wheels/{folder.name}"
    print(f"\n{place}: {len(sizes)} packages, {sum(sizes) / 1e6:.0f} MB. Take the course along with it.")


if __name__ == "__main__":
    main(sys.argv[1:])
