#!/bin/sh
# bash test/train_performance_8p.sh --data_path=data [--epochs=10]
exec "$(dirname "$0")/train.sh" 8 perf 10 "$@"
