# What hook.csh defines.
unalias conda-stage
