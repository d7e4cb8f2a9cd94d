# What hook.bash defines; in POSIX mode that is an alias.
\builtin unset -f conda-stage __conda_stage
\builtin unalias conda-stage 2> /dev/null || \builtin :
