# Removes a staged copy when the session leaves it. 'conda-stage' writes this into the copy unless --keep is given;
# 'conda-stage --auto-stage=enable' also writes it into the original, whose scripts 'conda run' uses.
#
# By then conda has removed the environment from PATH. If it has not, conda activates another environment on top, or
# reactivates this one. In the original, the script does nothing.
if ( ! $?__CONDA_STAGE_AUTO && $?CONDA_PREFIX ) then
  /bin/sh -c 'case "$CONDA_PREFIX:$PATH:" in */conda-stage_*/*:*) ;; *) exit 0 ;; esac; case ":$PATH:" in *":$CONDA_PREFIX/bin:"*) exit 0 ;; esac; [ -x "$0" ] && program=$0 || program=conda-stage; "$program" --leave --prefix="$CONDA_PREFIX" --session="$1" || :' @LAUNCHER@ $$
endif
