# Shell code comes back over a pipe on descriptor 8; meanwhile 9 holds the session's standard output.
function conda-stage --description 'Stage the active conda environment to local disk'
    # These become another program, whose standard streams are the session's.
    if string match -qr -- '^--(exec|shell)(=|$)' $argv
        @LAUNCHER@ $argv
        return
    end
    if test "$CONDA_STAGE" = false
        return 0
    end
    begin
        set -lx __CONDA_STAGE_SHELL fish
        set -lx __CONDA_STAGE_CODE 8
        set -lx __CONDA_STAGE_PID $fish_pid
        set -lx __CONDA_STAGE_HELD_LD_PRELOAD ''
        set -lx __CONDA_STAGE_HELD_LD_LIBRARY_PATH ''
        set -q LD_PRELOAD
        and set __CONDA_STAGE_HELD_LD_PRELOAD "x$LD_PRELOAD"
        set -q LD_LIBRARY_PATH
        and set __CONDA_STAGE_HELD_LD_LIBRARY_PATH "x$LD_LIBRARY_PATH"
        set -lx LD_PRELOAD ''
        set -lx LD_LIBRARY_PATH ''
        @LAUNCHER@ $argv 8>&1 >&9 9>&- | read -z argv
    end 9>&1
    # The code is between two marks. No code at all means that the program could not start.
    string match -q '*conda_stage_code*conda_stage_code*' -- "$argv"
    or return 1
    eval "$argv"
end
