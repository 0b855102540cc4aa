#!/bin/sh
# bash test/train_full_1p.sh --data_path=data [--epochs=150]
exec "$(dirname "$0")/train.sh" 1 full 150 "$@"
