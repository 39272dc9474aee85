#!/bin/sh
# Prints the path of a Python that can make our environment, or says in one sentence what this machine lacks.
# $PYTHON, if set, is the only candidate.
set -u

able='import sys
if sys.version_info < (3, 11): sys.exit(3)
try: import ensurepip, venv
except ImportError: sys.exit(4)
print(sys.executable)'

verdict=none
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    found=$("$candidate" -I -c "$able" 2>/dev/null)
    case $? in
        0) printf '%s\n' "$found"; exit 0 ;;
        3) [ "$verdict" = none ] && verdict=old ;;
        4) verdict=bare ;;
    esac
done

case $verdict in
    bare) echo "ZRM: this Python has no venv and ensurepip modules; install them (Debian, Ubuntu: the package python3-venv) and start again." >&2 ;;
    old) echo "ZRM: Python 3.11 or newer is needed and only an older one is here; install one, or name it: make run PYTHON=/path/to/python3." >&2 ;;
    none) echo "ZRM: Python 3.11 or newer is needed and none is on the PATH; install one, or name it: make run PYTHON=/path/to/python3." >&2 ;;
esac
exit 1
