# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core on its way to a host: as one archive, and the command that unpacks it there.

The text of all files is one stream, prepared to be packed to an eighth less: what all begin with said once, string
literals apart from code, indentation as what changes from line to line, capitals as a mark and a small letter, and the
commonest words as characters of their own. The program below decodes it on the host and imports the core from it
(arrival.py).
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import zlib
from collections import Counter
from importlib import import_module
from itertools import chain, takewhile
from math import log

from ansible import constants as C
from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.plugin_utils.compact import STRING, compact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CORE = os.path.dirname(os.path.abspath(fingerprint.__file__))
# What unpacks a stream on the host, the smallest first. Some builds of Python lack one or both of the first two; none
# that runs Ansible's modules lacks zlib.
PACKERS = ("lzma.LZMADecompressor", "bz2.BZ2Decompressor", "zlib.decompressobj")
NO_PACKER = "AOCI-NO-PACKER"  # the host's answer where it lacks the one
# Where a literal is, what makes the next letter a capital, and what is between two literals.
_LITERAL, _CAPITAL, _NEXT = "\x01\x02\x03"
# What stands before a line that is indented deeper than the one above it, for each level, and before one that is less.
_DEEPER, _BACK = "\t\v"
_LEVEL = 4  # blanks
# The characters that stand for words: a byte each for the commonest, two for the others. What is neither a line feed
# nor printable ASCII is a word, too.
_SHORT, _LONG = (*range(4, 9), *range(14, 32)), range(0x80, 0x800)
_WORD = re.compile(r"[A-Za-z]{2,}|[^\x00-\x03\n -~]")
_STRING = re.compile(STRING, re.DOTALL)
_TELLING = re.compile(r"\w{4,}")  # the words that tell which files are alike

# Arguments: the unpacker; then those of arrival.py. Standard input: the archive, and behind it what is for arrival.py.
_ARRIVE = f"""\
import re, sys
from importlib.machinery import ModuleSpec
module, name = sys.argv[1].split(".")
try:
    unpacker = getattr(__import__(module), name)()
except ImportError:
    sys.exit(print("{NO_PACKER}"))
words, names, head, *texts = unpacker.decompress(sys.stdin.buffer.read()).decode().split("\\0")
words = dict(zip(({",".join(map(str, _SHORT))}, *range({_LONG.start}, {_LONG.stop})), words.split(" ")))
literals, *texts = [re.sub("\\2(.)", lambda found: found[1].upper(), text.translate(words)) for text in texts]
literals = iter(literals.split("\\3"))
def indented(text):
    depth = 0
    for line in text.split("\\n"):
        code = line.lstrip("\\t\\v")
        marks = line[: len(line) - len(code)]
        depth += marks.count("\\t") - marks.count("\\v")
        yield code and " " * {_LEVEL} * depth + code
texts = [head + re.sub("\\1", lambda found: next(literals), "\\n".join(indented(text))) for text in texts]
files = dict(zip(names.split(" "), texts))
class Files:
    def find_spec(self, name, path=None, target=None):
        package, _dot, place = name.replace(".", "/").partition("aoci/")
        if name == "aoci" or not package and any(file.startswith(place + "/") for file in files):
            return ModuleSpec(name, self, is_package=True)
        return None if package or place + ".py" not in files else ModuleSpec(name, self)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        place = module.__name__.replace(".", "/")[5:] + ".py"
        exec(compile(files.get(place, ""), place, "exec"), module.__dict__)
sys.meta_path.insert(0, Files())
from aoci.arrival import main
sys.exit(main(files, unpacker.unused_data, sys.argv[2:]))
"""


def arrive(python: str, packer: str, version: str, root: str, *verb: str) -> str:
    """The shell command that takes archive(packer, …) on standard input to the state directory *root*.

    version  the fingerprint of the core
    root     "" for the host's default; ~ and variables are expanded there
    verb     what is done then, and with what follows the archive: see module_utils/arrival.py
    It says NO_PACKER where the host's Python lacks that one.
    """
    words = map(shlex.quote, (python, "-I", "-S", "-c", _ARRIVE, packer, version, root, *verb))
    return f"exec {' '.join(words)}"


def packers(*, local: bool) -> Iterator[str]:
    """Those to be tried in turn; for a host that is *local*, this very machine, the quickest alone."""
    for packer in PACKERS[-1:] if local else PACKERS:
        try:
            import_module(packer.partition(".")[0])
        except ImportError:
            continue
        yield packer


def archive(packer: str, version: str, *, local: bool) -> bytes:
    """The core *version* for the unpacker *packer*, packed once in a run of Ansible.

    A *local* one is made quickly, and is not small. Raises OSError, ValueError.
    """
    if local:
        return pack(read(version), packer, quick=True)
    path = os.path.join(C.DEFAULT_LOCAL_TMP, f"agentless.oci-{version}.{packer}")
    with open(f"{path}.lock", "wb") as lock:  # the other workers wait, instead of doing the same
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            packed = pack({name: compact(text) for name, text in read(version).items()}, packer)
            with open(f"{path}.tmp", "wb") as file:
                file.write(packed)
            os.rename(f"{path}.tmp", path)
    with open(path, "rb") as file:
        return file.read()


def read(version: str) -> dict[str, str]:
    """Path below the core → text, of all its files. Raises OSError, and ValueError when it is another version."""
    found = {}
    for path in fingerprint.python_files(CORE):
        with open(path, "rb") as file:
            found[os.path.relpath(path, CORE)] = file.read()
    if fingerprint.fingerprint((name, zlib.crc32(data), len(data)) for name, data in found.items()) != version:
        raise ValueError(f"files in {CORE} have just been changed. Run the playbook again.")
    return {name: data.decode() for name, data in sorted(found.items()) if data and name != fingerprint.LIST}


def pack(files: dict[str, str], packer: str, *, quick: bool = False) -> bytes:
    """*files* (path → text) for the unpacker *packer*."""
    words: list[str] = []
    if not quick:
        files = _alike(files)
    head = "" if quick else _notice(files)
    literals, texts = "", "\0".join(text[len(head) :] for text in files.values())
    if not quick:
        literals, texts = _NEXT.join(_STRING.findall(texts)), _STRING.sub(_LITERAL, texts)
        texts = "\0".join(map(_marked, texts.split("\0")))
    text = f"{literals}\0{texts}"
    if not quick:
        text = re.sub(r"[A-Z](?=[a-z])", lambda found: _CAPITAL + found[0].lower(), text)
        words = _words(text)
        codes = dict(zip(words, map(chr, (*_SHORT, *_LONG))))
        text = _WORD.sub(lambda found: codes.get(found[0], found[0]), text)
    return _packed("\0".join((" ".join(words), " ".join(files), head, text)).encode(), packer, quick=quick)


def _alike(files: dict[str, str]) -> dict[str, str]:
    """The same, each file followed by the one most like it: what is near is told in fewer bits.

    What few files have says more of their likeness than what most have.
    """
    left = {name: set(_TELLING.findall(text)) for name, text in files.items()}
    # In whole numbers, whose sums do not depend on the order of a set.
    weights = {word: int(1000 * log(len(left) / number)) for word, number in Counter(chain(*left.values())).items()}
    sums = {name: sum(map(weights.__getitem__, words)) for name, words in left.items()}
    found, name = {}, max(left, key=lambda name: len(files[name]), default="")
    while left:
        own, whole = left.pop(name), sums[name]
        found[name] = files[name]
        likeness = {
            other: sum(map(weights.__getitem__, own & words)) / (whole + sums[other] or 1)
            for other, words in left.items()
        }
        name = max(likeness, key=likeness.__getitem__, default="")
    return found


def _notice(files: dict[str, str]) -> str:
    """The lines that all *files* begin with."""
    at_once = zip(*(text.splitlines(keepends=True) for text in files.values()))
    return "".join(lines[0] for lines in takewhile(lambda lines: len(set(lines)) == 1, at_once))


def _marked(text: str) -> str:
    """*text* with marks instead of indentation. Raises ValueError where it has some of its own."""
    if _DEEPER in text or _BACK in text:
        raise ValueError("a file of the core has tabs between its words")
    lines, above = [], 0
    for line in text.split("\n"):
        code = line.lstrip(" ")
        depth = (len(line) - len(code)) // _LEVEL if code else above
        marks = _DEEPER * (depth - above) or _BACK * (above - depth)
        lines.append(marks + line[_LEVEL * depth :] if code else line)
        above = depth
    return "\n".join(lines)


def _words(text: str) -> list[str]:
    """The words of *text* that get a code: the commonest, then others by the alphabet, for the sake of their list."""
    counted = Counter(_WORD.findall(text))
    common = [word for word, times in counted.items() if word.isalpha() and word.isascii() and times > 1]
    common.sort(key=lambda word: (-counted[word] * (len(word) - 1), word))
    needed = [word for word in counted if not (word.isalpha() and word.isascii())]
    others = [*needed, *common[len(_SHORT) :]][: len(_LONG)]
    return [*common[: len(_SHORT)], *sorted(others)]


def _packed(stream: bytes, packer: str, *, quick: bool) -> bytes:
    if packer.startswith("bz2."):
        import bz2

        return bz2.compress(stream)
    if packer.startswith("lzma."):
        import lzma

        # Text has no alignment, and the high bits of the byte before tell much about the next. The host sets aside a
        # dictionary of that size.
        best = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}
        return lzma.compress(stream, check=lzma.CHECK_CRC32, filters=[{**best, "dict_size": 1 << 21}])
    return zlib.compress(stream, 1 if quick else 9)
