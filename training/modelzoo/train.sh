#!/bin/sh
# Trains on several devices as Ascend ModelZoo's scripts do: the published recipe in mixed precision, 16
# images per device, and a learning rate in proportion.
#
#   train.sh DEVICES KIND EPOCHS [--data_path=FOLDER] [--epochs=N] [flags of training.train]
#
# KIND (full or perf) ends the name of the run, as in runs/8p-full. Of a flag that is given twice the last
# counts. PYTHON, NODES and ADDR are taken from the environment.
set -eu

devices=$1 kind=$2 epochs=$3
shift 3
root=$(cd -P "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -n "${PYTHON:-}" ] || [ -x "$python" ] || python=python3

nodes=${NODES:-1}
all=$((devices * nodes))
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
exec "$python" -m training.train --recipe reference --amp \
    --batch-size $((all * 16)) --lr "$(awk "BEGIN { print $all * 2e-4 }")" --epochs "$epochs" \
    --out "runs/${devices}p-$kind" --device-list "$(seq -s , 0 $((devices - 1)))" \
    --nodes "$nodes" --addr "${ADDR:-}" "$@"
