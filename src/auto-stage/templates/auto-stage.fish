# Written by 'conda-stage --auto-stage=enable': stages this environment when it is activated.
# To disable: conda-stage --auto-stage=disable
#
# An environment is not staged when conda reactivates it, as after 'conda install', or comes back to it. A variable of
# conda's function shows what it does; the arguments of other functions do.
if test "$__CONDA_STAGE_AUTO" != off
    and begin
        test "$cmd" = activate
        or status stack-trace | string match -q "* 'activate*"
    end
    function __conda_stage_auto
        functions -e __conda_stage_auto
        set -l name "'$CONDA_DEFAULT_ENV'"
        if string match -qr '\p{C}' -- $name # a terminal might obey it
            set name '(its name can not be shown)'
        end
        if string match -qir '^(false|no|off|0)$' -- "$CONDA_STAGE"
            echo "WARNING: CONDA_STAGE=$CONDA_STAGE: conda environment $name is not staged" >&2
            return
        end
        eval @PROLOGUE@ >&2
        or echo 'WARNING: --prologue failed:' @PROLOGUE@ >&2
        if not functions -q conda-stage
            set -lx LD_PRELOAD ''
            set -lx LD_LIBRARY_PATH ''
            if test -x @LAUNCHER@
                @LAUNCHER@ --source=fish | source
            else if command -q conda-stage
                command conda-stage --source=fish | source
            end
        end
        if not functions -q conda-stage
            if test -x @LAUNCHER@ # it has said why it can't start
                echo "WARNING: $name is not staged" >&2
            else
                echo 'WARNING: conda-stage was not found (it was at' @LAUNCHER@"): $name is not staged" >&2
            end
            return 0
        end
        conda-stage --auto --session=$fish_pid @ARGUMENTS@
        switch $status
            case 0 129 130 143 # it was staged, or it said that a signal stopped it
            case 3 # on-failure: fail
                return 1
            case '*'
                echo "WARNING: $name is not staged" >&2
        end
    end
    __conda_stage_auto
end
