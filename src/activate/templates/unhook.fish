# Removes what hook.fish defines.
builtin functions -e conda-stage
