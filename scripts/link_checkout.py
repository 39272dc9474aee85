"""Makes this checkout importable from its own environment and gives it the command `zrm`.

Run by the environment's Python: writes a `.pth` file and `bin/zrm`. It does what an editable install would do,
without a build back end to fetch and lock.
"""

from __future__ import annotations

import shlex
import sys
import sysconfig
from pathlib import Path

COMMAND = """\
#!/bin/sh
exec {python} -P -c 'import sys; sys.argv[0] = "zrm"; from zrm.__main__ import main; sys.exit(main())' "$@"
"""


def link(checkout: Path) -> None:
    """Point the running interpreter's environment at `checkout`, the folder that holds the package `zrm`."""
    if sys.prefix == sys.base_prefix:
        raise SystemExit("run me with the Python of the checkout's own environment")
    Path(sysconfig.get_path("purelib"), "zrm-checkout.pth").write_text(f"{checkout}\n", encoding="utf-8")
    command = Path(sysconfig.get_path("scripts"), "zrm")
    python = Path(sysconfig.get_path("scripts"), "python")
    command.write_text(COMMAND.format(python=shlex.quote(str(python))), encoding="utf-8")
    command.chmod(0o755)


if __name__ == "__main__":
    link(Path(__file__).resolve().parent.parent)
