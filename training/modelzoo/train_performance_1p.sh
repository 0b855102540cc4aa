#!/bin/sh
# bash test/train_performance_1p.sh --data_path=data [--epochs=10]
exec "$(dirname "$0")/train.sh" 1 perf 10 "$@"
