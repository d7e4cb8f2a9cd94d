# Removes what hook.zsh defines.
\builtin unset -f conda-stage 2> /dev/null || \builtin :
