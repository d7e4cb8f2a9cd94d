# Removes a staged copy when the session leaves it. 'conda-stage' writes this into the copy unless --keep is given;
# 'conda-stage --auto-stage=enable' also writes it into the original, whose scripts 'conda run' uses.
#
# By then conda has removed the environment from PATH. If it has not, conda activates another environment on top, or
# reactivates this one. In the original, the script does nothing.
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
