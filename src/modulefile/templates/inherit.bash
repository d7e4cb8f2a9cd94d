if ! [[ -o posix ]]; then
  \builtin export -f conda-stage __conda_stage
fi
