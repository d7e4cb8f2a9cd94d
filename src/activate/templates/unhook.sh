# Removes what hook.sh defines.
\unset -f __conda_stage
\command unalias conda-stage 2> /dev/null || \:
