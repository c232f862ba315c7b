#!/bin/sh
# Autobahn|Testsuite is Python 2.7 only (25.10.1 included), so it gets a 2.7 venv of its own: in the folder
# given, or in the cache, where a second call finds it.  PY27 names another Python 2.7.
# 0.8.2 is installed first because its metadata names the working dependency set (autobahn 0.10.9,
# Twisted 20.3.0, wsaccel 0.6.6); 25.10.1 lists none.
set -eu

PEERS=${TRIO_OHWS_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/trio_ohws}
VENV=${1:-$PEERS/autobahn}
if [ -x "$VENV/bin/wstest" ]; then exit 0; fi

if [ -z "${PY27:-}" ]; then
    PY27=$(command -v pyenv >/dev/null && ls "$(pyenv root)"/versions/2.7.*/bin/python 2>/dev/null | tail -n 1) || true
    PY27=${PY27:-$(command -v python2.7)} || { echo "Autobahn needs a Python 2.7 (PY27=...)" >&2; exit 1; }
fi

# Built beside and renamed when whole: a broken install is never taken for a good one. wstest's own first
# line would name the old place, so it is started as VENV/bin/python with a script.
rm -rf "$VENV.new" "$VENV.tools"
mkdir -p "$(dirname "$VENV")"
python3 -m venv "$VENV.tools"
"$VENV.tools/bin/pip" install -q 'virtualenv<20.22' # the last line that makes 2.7 venvs
"$VENV.tools/bin/virtualenv" -q -p "$PY27" "$VENV.new"
rm -rf "$VENV.tools"
"$VENV.new/bin/python" -m pip install -q --no-python-version-warning autobahntestsuite==0.8.2
"$VENV.new/bin/python" -m pip install -q --no-python-version-warning --no-deps autobahntestsuite==25.10.1
"$VENV.new/bin/python" -c 'import autobahntestsuite.wstest'
mv "$VENV.new" "$VENV"
