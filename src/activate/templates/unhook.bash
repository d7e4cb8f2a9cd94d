# Removes what hook.bash defines, which is an alias in POSIX mode.
\builtin unset -f conda-stage __conda_stage
\builtin unalias conda-stage 2> /dev/null || \builtin :
