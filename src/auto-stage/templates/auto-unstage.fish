# Written by 'conda-stage --auto-stage=enable --auto-unstage=enable': its copy in a staged environment removes that when it
# is left. To disable: conda-stage --auto-stage=disable
#
# By then conda has taken the environment from PATH. Where it has not, another one is put on top, or this one is activated
# anew. In the original nothing is done.
if test "$__CONDA_STAGE_AUTO" != off
    and string match -q '*/conda-stage_*/*' -- "$CONDA_PREFIX"
    and not contains -- "$CONDA_PREFIX/bin" $PATH
    if functions -q conda-stage
        conda-stage --leave --prefix="$CONDA_PREFIX" --session=$fish_pid
    else if test -x @LAUNCHER@
        @LAUNCHER@ --leave --prefix="$CONDA_PREFIX" --session=$fish_pid
    else if command -q conda-stage
        command conda-stage --leave --prefix="$CONDA_PREFIX" --session=$fish_pid
    end
end
