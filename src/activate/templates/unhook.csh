# Removes what hook.csh defines.
unalias conda-stage
