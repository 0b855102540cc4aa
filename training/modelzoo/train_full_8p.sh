#!/bin/sh
# bash test/train_full_8p.sh --data_path=data [--epochs=150]
exec "$(dirname "$0")/train.sh" 8 full 150 "$@"
