# The part of conda that lives in the shell. Like conda's own, it evaluates what a program prints.
function conda
    switch $argv[1]
        case activate deactivate
            eval (LANGUAGE_STAND_IN=fish $NODE_STAND_IN $CONDA_EXE_STAND_IN $argv)
    end
end
set -q CONDA_SHLVL
or set -gx CONDA_SHLVL 0
