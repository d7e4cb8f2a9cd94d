# What hook.fish defines.
builtin functions -e conda-stage
