# Written by 'conda-stage --auto-stage=enable --auto-unstage=enable': its copy in a staged environment removes that when it
# is left. To disable: conda-stage --auto-stage=disable
#
# By then conda has taken the environment from PATH. Where it has not, another one is put on top, or this one is activated
# anew. In the original nothing is done.
if ( ! $?__CONDA_STAGE_AUTO && $?CONDA_PREFIX ) then
  /bin/sh -c 'case "$CONDA_PREFIX:$PATH:" in */conda-stage_*/*:*) ;; *) exit 0 ;; esac; case ":$PATH:" in *":$CONDA_PREFIX/bin:"*) exit 0 ;; esac; [ -x "$0" ] && program=$0 || program=conda-stage; "$program" --leave --prefix="$CONDA_PREFIX" --session="$1" || :' @LAUNCHER@ $$
endif
